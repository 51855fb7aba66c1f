// The operators that need nothing but a connection. HTTP's own give "-" for a TCP connection, as in Envoy.

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/access_log/json_text.h"
#include "source/access_log/operators.h"
#include "source/access_log/response_flags.h"
#include "source/access_log/state_operators.h"
#include "source/access_log/time_argument.h"
#include "source/access_log/tls_operators.h"
#include "source/access_log/values.h"
#include "source/base/random.h"

namespace sluice::access_log {
namespace {

using net::Address;
using net::StreamInfo;
using net::UpstreamInfo;

enum class Part { All, WithoutPort, Port };

/** Without allocating, as toString() and ipString() would. */
void appendIp(const uint8_t* bytes, bool v6, std::string& out) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
  out += text;
}

bool address(const Address& value, Part part, std::string& out) {
  if (!value.isIp()) {
    if (part == Part::Port || value.kind() == Address::Kind::None) {
      return false;
    }
    return appendText(absl::string_view(value.path()), out);
  }
  const bool v6 = value.kind() == Address::Kind::Ipv6;
  switch (part) {
    case Part::All:
      out += v6 ? "[" : "";
      appendIp(value.bytes(), v6, out);
      out += v6 ? "]:" : ":";
      return appendNumber(value.port(), out);
    case Part::WithoutPort:
      appendIp(value.bytes(), v6, out);
      return true;
    case Part::Port:
      return appendNumber(value.port(), out);
  }
  return false;
}

/** The network that the address is in, by the argument's prefix length: "10.1.0.0/16". */
bool network(const Address& value, uint32_t bits, std::string& out) {
  if (!value.isIp()) {
    return false;
  }
  const bool v6 = value.kind() == Address::Kind::Ipv6;
  const uint32_t size = v6 ? 16 : 4;
  if (bits > size * 8) {
    return false;
  }
  uint8_t bytes[16] = {};
  for (uint32_t i = 0; i < size && i * 8 < bits; ++i) {
    const uint32_t left = bits - i * 8;
    bytes[i] = left >= 8 ? value.bytes()[i] : static_cast<uint8_t>(value.bytes()[i] & (0xff00u >> left));
  }
  appendIp(bytes, v6, out);
  out += '/';
  return appendNumber(bits, out);
}

constexpr uint32_t kNoMask = 1000;

absl::Status prepareMask(PreparedArgument& argument, const OperatorTable&) {
  argument.numbers[0] = kNoMask;
  if (argument.text.empty()) {
    return absl::OkStatus();
  }
  uint32_t bits = 0;
  if (!absl::SimpleAtoi(argument.text, &bits) || bits > 128) {
    return absl::InvalidArgumentError(absl::StrCat("'", argument.text, "' is no length of a prefix: 0 to 128"));
  }
  argument.numbers[0] = bits;
  return absl::OkStatus();
}

/** Of the address without its port; masked where the argument says how far. */
bool masked(const Address& value, const PreparedArgument& argument, std::string& out) {
  return argument.numbers[0] == kNoMask ? address(value, Part::WithoutPort, out)
                                        : network(value, argument.numbers[0], out);
}

template <Address StreamInfo::*field, Part part>
bool downstreamAddress(const LogContext& context, const PreparedArgument&, std::string& out) {
  return address(context.info.*field, part, out);
}

template <Address StreamInfo::*field>
bool downstreamIp(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return masked(context.info.*field, argument, out);
}

template <Part part>
bool directLocalAddress(const LogContext& context, const PreparedArgument&, std::string& out) {
  return address(context.info.directLocal(), part, out);
}

bool directLocalIp(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return masked(context.info.directLocal(), argument, out);
}

template <Address UpstreamInfo::*field>
bool upstreamIp(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return context.info.upstream != nullptr && masked(context.info.upstream.get()->*field, argument, out);
}

template <Address UpstreamInfo::*field, Part part>
bool upstreamAddress(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.info.upstream != nullptr && address(context.info.upstream.get()->*field, part, out);
}

template <auto field>
bool connectionNumber(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendNumber(context.info.*field, out);
}

template <auto field>
bool connectionText(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendText(context.info.*field, out);
}

bool filterChainName(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendText(context.info.connection().filter_chain_name, out);
}

bool requestedServerName(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendHostName(context.info.requestedServerName(), out);
}

template <auto field>
bool upstreamNumber(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendNumber(context.info.upstream == nullptr ? 0 : context.info.upstream.get()->*field, out);
}

template <auto field>
bool upstreamText(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.info.upstream != nullptr && appendText(context.info.upstream.get()->*field, out);
}

/** In one word, as it stands among others in a line. */
bool oneWord(absl::string_view text, std::string& out) {
  const size_t before = out.size();
  appendText(text, out);
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), ' ', '_');
  return !text.empty();
}

bool upstreamFailureReason(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.info.upstream != nullptr && oneWord(context.info.upstream->transport_failure_reason, out);
}

bool downstreamFailureReason(const LogContext& context, const PreparedArgument&, std::string& out) {
  const auto& extras = context.info.connection().extras;
  return extras != nullptr && oneWord(extras->transport_failure_reason, out);
}

bool detectedClose(const LogContext& context, const PreparedArgument&, std::string& out) {
  // Of a connection alone: its streams end without such a thing.
  const auto& extras = context.info.extras;
  switch (extras == nullptr ? net::DetectedClose::Normal : extras->detected_close) {
    case net::DetectedClose::Normal:
      return appendText("Normal", out);
    case net::DetectedClose::LocalReset:
      return appendText("LocalReset", out);
    case net::DetectedClose::RemoteReset:
      return appendText("RemoteReset", out);
  }
  return false;
}

bool upstreamConnectionId(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.info.upstream != nullptr && context.info.upstream->connection_id != 0 &&
         appendNumber(context.info.upstream->connection_id, out);
}

bool upstreamCluster(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const UpstreamInfo* const upstream = context.info.upstream.get();
  if (upstream == nullptr) {
    return false;
  }
  return upstream->cluster_alt_stat_name != nullptr ? appendText(upstream->cluster_alt_stat_name, out)
                                                    : upstreamText<&UpstreamInfo::cluster_name>(context, argument, out);
}

bool upstreamHostName(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return upstreamText<&UpstreamInfo::host_name>(context, argument, out) ||
         upstreamAddress<&UpstreamInfo::host, Part::All>(context, argument, out);
}

bool upstreamHostNameWithoutPort(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return upstreamText<&UpstreamInfo::host_name>(context, argument, out) ||
         upstreamAddress<&UpstreamInfo::host, Part::WithoutPort>(context, argument, out);
}

template <TimeFormat::Zone zone>
bool startTime(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return appendTime(context.info.start_time, zone, argument, out);
}

template <TimeFormat::Zone zone>
bool emitTime(const LogContext&, const PreparedArgument& argument, std::string& out) {
  return appendTime(std::chrono::system_clock::now(), zone, argument, out);
}

bool duration(const LogContext& context, const PreparedArgument&, std::string& out) {
  const base::MonotonicTime end = context.info.end_monotonic.value_or(std::chrono::steady_clock::now());
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(end - context.info.start_monotonic);
  return appendNumber(static_cast<uint64_t>(std::max<int64_t>(0, ms.count())), out);
}

bool flagsShort(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendResponseFlags(context.info.response_flags, FlagSpelling::Short, out, context.http != nullptr);
}

bool flagsLong(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendResponseFlags(context.info.response_flags, FlagSpelling::Long, out, context.http != nullptr);
}

template <FlagSpelling spelling>
bool flagsJson(const LogContext& context, const PreparedArgument&, std::string& out) {
  // Never null, as in Envoy: no flag is "-".
  out += '"';
  if (!appendResponseFlags(context.info.response_flags, spelling, out, context.http != nullptr)) {
    out += '-';
  }
  out += '"';
  return true;
}

bool zero(const LogContext&, const PreparedArgument&, std::string& out) { return appendNumber(0, out); }
bool nothing(const LogContext&, const PreparedArgument&, std::string&) { return false; }
/** A value, and an empty one. */
bool empty(const LogContext&, const PreparedArgument&, std::string&) { return true; }

bool logType(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendText(logTypeName(context.type), out);
}

void appendUuid(uint64_t high, uint64_t low, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  // Version 4, variant 1 (RFC 9562).
  high = (high & ~0xf000ull) | 0x4000ull;
  low = (low & ~(3ull << 62)) | (2ull << 62);
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) {
      out += '-';
    }
    const uint64_t half = i < 16 ? high : low;
    out += kHex[half >> (60 - 4 * (i % 16)) & 15];
  }
}

bool uniqueId(const LogContext&, const PreparedArgument&, std::string& out) {
  base::Random& random = base::threadRandom();
  const uint64_t high = random.next();
  appendUuid(high, random.next(), out);
  return true;
}

bool streamId(const LogContext& context, const PreparedArgument&, std::string& out) {
  appendStreamUuid(context.info, out);
  return true;
}

template <class Append>
bool attempted(const LogContext& context, std::string& out, Append&& append) {
  const UpstreamInfo* const upstream = context.info.upstream.get();
  if (upstream == nullptr) {
    return false;
  }
  for (const net::UpstreamAttempt& attempt : upstream->earlier_attempts) {
    if (append(attempt.host, attempt.host_name, attempt.connection_id)) {
      out += ',';
    }
  }
  return append(upstream->host, upstream->host_name, upstream->connection_id);
}

template <Part part>
bool hostsAttempted(const LogContext& context, const PreparedArgument&, std::string& out) {
  return attempted(context, out,
                   [&out](const Address& host, const auto&, uint64_t) { return address(host, part, out); });
}

template <Part part>
bool hostNamesAttempted(const LogContext& context, const PreparedArgument&, std::string& out) {
  return attempted(context, out, [&out](const Address& host, const auto& name, uint64_t) {
    return appendText(name, out) || address(host, part, out);
  });
}

bool connectionIdsAttempted(const LogContext& context, const PreparedArgument&, std::string& out) {
  return attempted(context, out,
                   [&out](const Address&, const auto&, uint64_t id) { return id != 0 && appendNumber(id, out); });
}

/** A connection's pool is ready when it is connected. */
bool poolReady(const LogContext& context, const PreparedArgument&, std::string& out) {
  const UpstreamInfo* const upstream = context.info.upstream.get();
  if (upstream == nullptr) {
    return false;
  }
  std::chrono::nanoseconds took{0};
  if (upstream->pool_ready.has_value()) {
    took = *upstream->pool_ready;
  } else if (context.http == nullptr && upstream->connect_complete.has_value() && upstream->connect_start.has_value()) {
    took = *upstream->connect_complete - *upstream->connect_start;
  } else {
    return false;
  }
  return appendSigned(std::chrono::duration_cast<std::chrono::milliseconds>(took).count(), out);
}

bool hostname(const LogContext&, const PreparedArgument&, std::string& out) {
  static const std::string* const kName = [] {
    char name[256] = {};
    return new std::string(gethostname(name, sizeof(name) - 1) == 0 ? name : "");
  }();
  return appendText(absl::string_view(*kName), out);
}

/** The environment does not change while we run: the value is looked up with the configuration. */
absl::Status prepareEnvironment(PreparedArgument& argument, const OperatorTable&) {
  const char* const value = std::getenv(argument.text.c_str());
  argument.text = value == nullptr ? "-" : value;
  return absl::OkStatus();
}

bool preparedText(const LogContext&, const PreparedArgument& argument, std::string& out) {
  out += argument.text;
  return true;
}

/** Of a number, which is written the same way in JSON. */
constexpr Operator number(absl::string_view name, absl::string_view help, AppendValue append) {
  return {name, Argument::None, help, append, nullptr, append};
}

constexpr Operator kOperators[] = {
    {"ACCESS_LOG_TYPE", Argument::None, "When the line is written: TcpConnectionEnd, TcpUpstreamConnected, ...",
     logType},
    number("BYTES_RECEIVED", "Bytes from the client", connectionNumber<&StreamInfo::bytes_received>),
    number("BYTES_SENT", "Bytes to the client", connectionNumber<&StreamInfo::bytes_sent>),
    number("CONNECTION_ID", "The connection's number in this process", connectionNumber<&StreamInfo::connection_id>),
    {"CONNECTION_TERMINATION_DETAILS", Argument::None, "Why Sluice ended the connection",
     connectionText<&StreamInfo::connection_termination_details>},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", Argument::None,
     "How the connection was seen to end: Normal, LocalReset or RemoteReset; of a request always Normal",
     detectedClose},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS", Argument::None, "The socket's own address", directLocalAddress<Part::All>},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length", directLocalIp, prepareMask},
    number("DOWNSTREAM_DIRECT_LOCAL_PORT", "The same, its port", directLocalAddress<Part::Port>),
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Argument::None, "The socket's peer",
     downstreamAddress<&StreamInfo::downstream_direct_remote, Part::All>},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length",
     downstreamIp<&StreamInfo::downstream_direct_remote>, prepareMask},
    number("DOWNSTREAM_DIRECT_REMOTE_PORT", "The same, its port",
           downstreamAddress<&StreamInfo::downstream_direct_remote, Part::Port>),
    {"DOWNSTREAM_LOCAL_ADDRESS", Argument::None, "The address that the client reached",
     downstreamAddress<&StreamInfo::downstream_local, Part::All>},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length",
     downstreamIp<&StreamInfo::downstream_local>, prepareMask},
    number("DOWNSTREAM_LOCAL_PORT", "The same, its port", downstreamAddress<&StreamInfo::downstream_local, Part::Port>),
    {"DOWNSTREAM_LOCAL_CLOSE_REASON", Argument::None, "Why Sluice closed the connection",
     connectionText<&StreamInfo::local_close_reason>},
    {"DOWNSTREAM_REMOTE_ADDRESS", Argument::None, "The client, as listener filters restored it",
     downstreamAddress<&StreamInfo::downstream_remote, Part::All>},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length",
     downstreamIp<&StreamInfo::downstream_remote>, prepareMask},
    number("DOWNSTREAM_REMOTE_PORT", "The same, its port",
           downstreamAddress<&StreamInfo::downstream_remote, Part::Port>),
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", Argument::None, "Why the client's transport failed",
     downstreamFailureReason},
    number("DOWNSTREAM_WIRE_BYTES_RECEIVED", "Bytes from the client, as on the wire",
           connectionNumber<&StreamInfo::bytes_received>),
    number("DOWNSTREAM_WIRE_BYTES_SENT", "Bytes to the client, as on the wire",
           connectionNumber<&StreamInfo::bytes_sent>),
    number("DURATION", "Milliseconds since the connection began", duration),
    {"EMIT_TIME", Argument::Optional, "When the line is written, in UTC; X is a strftime format",
     emitTime<TimeFormat::Zone::Utc>, prepareTime},
    {"EMIT_TIME_LOCAL", Argument::Optional, "The same in local time", emitTime<TimeFormat::Zone::Local>, prepareTime},
    {"ENVIRONMENT", Argument::Required, "The environment variable X", preparedText, prepareEnvironment},
    {"FILTER_CHAIN_NAME", Argument::None, "The filter chain that took the connection", filterChainName},
    {"HOSTNAME", Argument::None, "This machine's name", hostname},
    {"PROTOCOL", Argument::None, "Of a request; - for TCP", nothing},
    {"REQ", Argument::Required, "A request's header X; - for TCP", nothing},
    {"REQUESTED_SERVER_NAME", Argument::None, "The name that the client asked for", requestedServerName},
    {"RESP", Argument::Required, "A response's header X; - for TCP", nothing},
    number("RESPONSE_CODE", "Of a response; 0 for TCP", zero),
    {"RESPONSE_CODE_DETAILS", Argument::None, "What set the response code",
     connectionText<&StreamInfo::response_code_details>},
    {"RESPONSE_FLAGS", Argument::None, "What went wrong, as in UH,UF", flagsShort, nullptr,
     flagsJson<FlagSpelling::Short>},
    {"RESPONSE_FLAGS_LONG", Argument::None, "The same in words", flagsLong, nullptr, flagsJson<FlagSpelling::Long>},
    {"ROUTE_NAME", Argument::None, "Of a request; - for TCP", nothing},
    {"START_TIME", Argument::Optional, "When the connection began, in UTC; X is a strftime format",
     startTime<TimeFormat::Zone::Utc>, prepareTime},
    {"START_TIME_LOCAL", Argument::Optional, "The same in local time", startTime<TimeFormat::Zone::Local>, prepareTime},
    {"TRAILER", Argument::Required, "A response's trailer X; - for TCP", nothing},
    {"UPSTREAM_CLUSTER", Argument::None, "The cluster; its alt_stat_name where it has one", upstreamCluster},
    {"UPSTREAM_CLUSTER_RAW", Argument::None, "The cluster's name", upstreamText<&UpstreamInfo::cluster_name>},
    number("UPSTREAM_CONNECTION_ID", "The upstream connection's number in this process", upstreamConnectionId),
    {"UPSTREAM_HOST", Argument::None, "The endpoint's address", upstreamAddress<&UpstreamInfo::host, Part::All>},
    {"UPSTREAM_HOST_NAME", Argument::None, "The endpoint's hostname, or its address", upstreamHostName},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", Argument::None, "The same without a port", upstreamHostNameWithoutPort},
    {"UPSTREAM_LOCAL_ADDRESS", Argument::None, "Our address towards the endpoint",
     upstreamAddress<&UpstreamInfo::local, Part::All>},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length", upstreamIp<&UpstreamInfo::local>,
     prepareMask},
    number("UPSTREAM_LOCAL_PORT", "The same, its port", upstreamAddress<&UpstreamInfo::local, Part::Port>),
    {"UPSTREAM_REMOTE_ADDRESS", Argument::None, "The endpoint's address",
     upstreamAddress<&UpstreamInfo::host, Part::All>},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::Optional,
     "The same without its port; X masks it to a network of that prefix length", upstreamIp<&UpstreamInfo::host>,
     prepareMask},
    number("UPSTREAM_REMOTE_PORT", "The same, its port", upstreamAddress<&UpstreamInfo::host, Part::Port>),
    number("UPSTREAM_REQUEST_ATTEMPT_COUNT", "Attempts to connect", upstreamNumber<&UpstreamInfo::attempts>),
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Argument::None, "Why the upstream connection failed", upstreamFailureReason},
    number("UPSTREAM_WIRE_BYTES_RECEIVED", "Bytes from the endpoint", upstreamNumber<&UpstreamInfo::bytes_received>),
    number("UPSTREAM_WIRE_BYTES_SENT", "Bytes to the endpoint", upstreamNumber<&UpstreamInfo::bytes_sent>),
    number("BYTES_RETRANSMITTED", "Of QUIC, which there is not: always 0", zero),
    number("PACKETS_RETRANSMITTED", "Of QUIC, which there is not: always 0", zero),
    {"CUSTOM_FLAGS", Argument::None, "Flags of filters' own, of which none has any: always empty", empty},
    {"SPAN_ID", Argument::None, "There is no tracing: always -", nothing},
    {"STREAM_ID", Argument::None, "A UUID of the connection; of a request, its x-request-id", streamId},
    {"TRACE_ID", Argument::None, "There is no tracing: always -", nothing},
    {"UNIQUE_ID", Argument::None, "A new UUID for each value", uniqueId},
    {"UPSTREAM_CONNECTION_IDS_ATTEMPTED", Argument::None, "The upstream connections' numbers, of all attempts",
     connectionIdsAttempted},
    number("UPSTREAM_CONNECTION_POOL_READY_DURATION",
           "Milliseconds from the wish for an upstream until the pool gave one", poolReady),
    {"UPSTREAM_HOSTS_ATTEMPTED", Argument::None, "The endpoints' addresses, of all attempts",
     hostsAttempted<Part::All>},
    {"UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", Argument::None, "The same without ports",
     hostsAttempted<Part::WithoutPort>},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED", Argument::None, "The endpoints' hostnames or addresses, of all attempts",
     hostNamesAttempted<Part::All>},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", Argument::None, "The same without ports",
     hostNamesAttempted<Part::WithoutPort>},
};

}  // namespace

void appendStreamUuid(const net::StreamInfo& info, std::string& out) {
  static const uint64_t kProcess = base::Random().next();
  base::Random random(kProcess ^ (info.connection_id * 0x9e3779b97f4a7c15ull) ^
                      static_cast<uint64_t>(info.start_monotonic.time_since_epoch().count()));
  const uint64_t high = random.next();
  appendUuid(high, random.next(), out);
}

OperatorTable::OperatorTable() {
  for (const Operator& op : kOperators) {
    add(op);
  }
  addStateOperators(*this);
  addTlsOperators(*this);
  addLeftOutOperators(*this);
  add(coalesceOperator());
}

}  // namespace sluice::access_log
