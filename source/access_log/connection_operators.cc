// The operators that need nothing but a connection. HTTP's own give "-" for a TCP connection, as in Envoy.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"

#include "source/access_log/operators.h"
#include "source/access_log/response_flags.h"

namespace sluice::access_log {
namespace {

using net::Address;
using net::StreamInfo;
using net::UpstreamInfo;

bool number(uint64_t value, std::string& out) {
  absl::StrAppend(&out, value);
  return true;
}

bool text(absl::string_view value, std::string& out) {
  absl::StrAppend(&out, value);
  return !value.empty();
}

bool text(const char* value, std::string& out) { return value != nullptr && text(absl::string_view(value), out); }

bool text(const std::shared_ptr<const std::string>& value, std::string& out) {
  return value != nullptr && text(absl::string_view(*value), out);
}

enum class Part { All, WithoutPort, Port };

bool address(const Address& value, Part part, std::string& out) {
  switch (part) {
    case Part::All:
      return text(value.toString(), out);
    case Part::WithoutPort:
      return text(value.isIp() ? value.ipString() : value.toString(), out);
    case Part::Port:
      return value.isIp() && number(value.port(), out);
  }
  return false;
}

template <Address StreamInfo::*field, Part part>
bool downstreamAddress(const LogContext& context, const std::string&, std::string& out) {
  return address(context.info.*field, part, out);
}

template <Address UpstreamInfo::*field, Part part>
bool upstreamAddress(const LogContext& context, const std::string&, std::string& out) {
  return context.info.upstream != nullptr && address(context.info.upstream.get()->*field, part, out);
}

template <auto field>
bool connectionNumber(const LogContext& context, const std::string&, std::string& out) {
  return number(context.info.*field, out);
}

template <auto field>
bool connectionText(const LogContext& context, const std::string&, std::string& out) {
  return text(context.info.*field, out);
}

bool requestedServerName(const LogContext& context, const std::string&, std::string& out) {
  return context.info.extras != nullptr && text(context.info.extras->requested_server_name, out);
}

template <auto field>
bool upstreamNumber(const LogContext& context, const std::string&, std::string& out) {
  return number(context.info.upstream == nullptr ? 0 : context.info.upstream.get()->*field, out);
}

template <auto field>
bool upstreamText(const LogContext& context, const std::string&, std::string& out) {
  return context.info.upstream != nullptr && text(context.info.upstream.get()->*field, out);
}

bool upstreamConnectionId(const LogContext& context, const std::string&, std::string& out) {
  return context.info.upstream != nullptr && context.info.upstream->connection_id != 0 &&
         number(context.info.upstream->connection_id, out);
}

bool upstreamCluster(const LogContext& context, const std::string& argument, std::string& out) {
  const UpstreamInfo* const upstream = context.info.upstream.get();
  if (upstream == nullptr) {
    return false;
  }
  return upstream->cluster_alt_stat_name != nullptr ? text(upstream->cluster_alt_stat_name, out)
                                                    : upstreamText<&UpstreamInfo::cluster_name>(context, argument, out);
}

bool upstreamHostName(const LogContext& context, const std::string& argument, std::string& out) {
  return upstreamText<&UpstreamInfo::host_name>(context, argument, out) ||
         upstreamAddress<&UpstreamInfo::host, Part::All>(context, argument, out);
}

bool upstreamHostNameWithoutPort(const LogContext& context, const std::string& argument, std::string& out) {
  return upstreamText<&UpstreamInfo::host_name>(context, argument, out) ||
         upstreamAddress<&UpstreamInfo::host, Part::WithoutPort>(context, argument, out);
}

absl::Time startTime(const StreamInfo& info) { return absl::FromChrono(info.start_time); }

/** Envoy's "%3f" (digits of the second) in absl's spelling; without an argument, RFC 3339 in milliseconds. */
absl::Status prepareTime(std::string& format) {
  if (format.empty()) {
    format = "%Y-%m-%dT%H:%M:%E3SZ";
    return absl::OkStatus();
  }
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    const char next = format[i + 1];
    if (next == 'f') {
      out += "%E9f";
      ++i;
    } else if (next >= '1' && next <= '9' && i + 2 < format.size() && format[i + 2] == 'f') {
      out += absl::StrCat("%E", std::string(1, next), "f");
      i += 2;
    } else {
      out += format[i];
      out += next;
      ++i;
    }
  }
  format = std::move(out);
  return absl::OkStatus();
}

bool startTimeUtc(const LogContext& context, const std::string& format, std::string& out) {
  return text(absl::FormatTime(format, startTime(context.info), absl::UTCTimeZone()), out);
}

bool startTimeLocal(const LogContext& context, const std::string& format, std::string& out) {
  return text(absl::FormatTime(format, startTime(context.info), absl::LocalTimeZone()), out);
}

bool emitTimeUtc(const LogContext&, const std::string& format, std::string& out) {
  return text(absl::FormatTime(format, absl::Now(), absl::UTCTimeZone()), out);
}

bool emitTimeLocal(const LogContext&, const std::string& format, std::string& out) {
  return text(absl::FormatTime(format, absl::Now(), absl::LocalTimeZone()), out);
}

bool duration(const LogContext& context, const std::string&, std::string& out) {
  const base::MonotonicTime end = context.info.end_monotonic.value_or(std::chrono::steady_clock::now());
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(end - context.info.start_monotonic);
  return number(static_cast<uint64_t>(std::max<int64_t>(0, ms.count())), out);
}

bool flagsShort(const LogContext& context, const std::string&, std::string& out) {
  return appendResponseFlags(context.info.response_flags, FlagSpelling::Short, out);
}

bool flagsLong(const LogContext& context, const std::string&, std::string& out) {
  return appendResponseFlags(context.info.response_flags, FlagSpelling::Long, out);
}

bool zero(const LogContext&, const std::string&, std::string& out) { return number(0, out); }
bool nothing(const LogContext&, const std::string&, std::string&) { return false; }

bool logType(const LogContext& context, const std::string&, std::string& out) {
  switch (context.type) {
    case LogType::TcpConnectionEnd:
      return text("TcpConnectionEnd", out);
    case LogType::TcpUpstreamConnected:
      return text("TcpUpstreamConnected", out);
    case LogType::TcpPeriodic:
      return text("TcpPeriodic", out);
    case LogType::NotSet:
      return text("NotSet", out);
  }
  return false;
}

bool hostname(const LogContext&, const std::string&, std::string& out) {
  static const std::string* const kName = [] {
    char name[256] = {};
    return new std::string(gethostname(name, sizeof(name) - 1) == 0 ? name : "");
  }();
  return text(*kName, out);
}

/** The environment does not change while we run: the value is looked up with the configuration. */
absl::Status prepareEnvironment(std::string& argument) {
  const char* const value = std::getenv(argument.c_str());
  argument = value == nullptr ? "" : value;
  return absl::OkStatus();
}

bool preparedText(const LogContext&, const std::string& argument, std::string& out) { return text(argument, out); }

constexpr Operator kOperators[] = {
    {"ACCESS_LOG_TYPE", Argument::None, "When the line is written: TcpConnectionEnd, TcpUpstreamConnected, ...",
     logType},
    {"BYTES_RECEIVED", Argument::None, "Bytes from the client", connectionNumber<&StreamInfo::bytes_received>},
    {"BYTES_SENT", Argument::None, "Bytes to the client", connectionNumber<&StreamInfo::bytes_sent>},
    {"CONNECTION_ID", Argument::None, "The connection's number in this process",
     connectionNumber<&StreamInfo::connection_id>},
    {"CONNECTION_TERMINATION_DETAILS", Argument::None, "Why Sluice ended the connection",
     connectionText<&StreamInfo::connection_termination_details>},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS", Argument::None, "The socket's own address",
     downstreamAddress<&StreamInfo::downstream_local, Part::All>},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     downstreamAddress<&StreamInfo::downstream_local, Part::WithoutPort>},
    {"DOWNSTREAM_DIRECT_LOCAL_PORT", Argument::None, "The same, its port",
     downstreamAddress<&StreamInfo::downstream_local, Part::Port>},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Argument::None, "The socket's peer",
     downstreamAddress<&StreamInfo::downstream_direct_remote, Part::All>},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     downstreamAddress<&StreamInfo::downstream_direct_remote, Part::WithoutPort>},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Argument::None, "The same, its port",
     downstreamAddress<&StreamInfo::downstream_direct_remote, Part::Port>},
    {"DOWNSTREAM_LOCAL_ADDRESS", Argument::None, "The address that the client reached",
     downstreamAddress<&StreamInfo::downstream_local, Part::All>},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     downstreamAddress<&StreamInfo::downstream_local, Part::WithoutPort>},
    {"DOWNSTREAM_LOCAL_PORT", Argument::None, "The same, its port",
     downstreamAddress<&StreamInfo::downstream_local, Part::Port>},
    {"DOWNSTREAM_REMOTE_ADDRESS", Argument::None, "The client, as listener filters restored it",
     downstreamAddress<&StreamInfo::downstream_remote, Part::All>},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     downstreamAddress<&StreamInfo::downstream_remote, Part::WithoutPort>},
    {"DOWNSTREAM_REMOTE_PORT", Argument::None, "The same, its port",
     downstreamAddress<&StreamInfo::downstream_remote, Part::Port>},
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", Argument::None, "Why the client's transport failed",
     connectionText<&StreamInfo::downstream_transport_failure_reason>},
    {"DOWNSTREAM_WIRE_BYTES_RECEIVED", Argument::None, "Bytes from the client, as on the wire",
     connectionNumber<&StreamInfo::bytes_received>},
    {"DOWNSTREAM_WIRE_BYTES_SENT", Argument::None, "Bytes to the client, as on the wire",
     connectionNumber<&StreamInfo::bytes_sent>},
    {"DURATION", Argument::None, "Milliseconds since the connection began", duration},
    {"EMIT_TIME", Argument::Optional, "When the line is written, in UTC; X is a strftime format", emitTimeUtc,
     prepareTime},
    {"EMIT_TIME_LOCAL", Argument::Optional, "The same in local time", emitTimeLocal, prepareTime},
    {"ENVIRONMENT", Argument::Required, "The environment variable X", preparedText, prepareEnvironment},
    {"FILTER_CHAIN_NAME", Argument::None, "The filter chain that took the connection",
     connectionText<&StreamInfo::filter_chain_name>},
    {"HOSTNAME", Argument::None, "This machine's name", hostname},
    {"PROTOCOL", Argument::None, "Of a request; - for TCP", nothing},
    {"REQ", Argument::Required, "A request's header X; - for TCP", nothing},
    {"REQUESTED_SERVER_NAME", Argument::None, "The name that the client asked for",
     requestedServerName},
    {"RESP", Argument::Required, "A response's header X; - for TCP", nothing},
    {"RESPONSE_CODE", Argument::None, "Of a response; 0 for TCP", zero},
    {"RESPONSE_CODE_DETAILS", Argument::None, "What set the response code",
     connectionText<&StreamInfo::response_code_details>},
    {"RESPONSE_FLAGS", Argument::None, "What went wrong, as in UH,UF", flagsShort},
    {"RESPONSE_FLAGS_LONG", Argument::None, "The same in words", flagsLong},
    {"ROUTE_NAME", Argument::None, "Of a request; - for TCP", nothing},
    {"START_TIME", Argument::Optional, "When the connection began, in UTC; X is a strftime format", startTimeUtc,
     prepareTime},
    {"START_TIME_LOCAL", Argument::Optional, "The same in local time", startTimeLocal, prepareTime},
    {"TRAILER", Argument::Required, "A response's trailer X; - for TCP", nothing},
    {"UPSTREAM_CLUSTER", Argument::None, "The cluster; its alt_stat_name where it has one", upstreamCluster},
    {"UPSTREAM_CLUSTER_RAW", Argument::None, "The cluster's name", upstreamText<&UpstreamInfo::cluster_name>},
    {"UPSTREAM_CONNECTION_ID", Argument::None, "The upstream connection's number in this process",
     upstreamConnectionId},
    {"UPSTREAM_HOST", Argument::None, "The endpoint's address", upstreamAddress<&UpstreamInfo::host, Part::All>},
    {"UPSTREAM_HOST_NAME", Argument::None, "The endpoint's hostname, or its address", upstreamHostName},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", Argument::None, "The same without a port", upstreamHostNameWithoutPort},
    {"UPSTREAM_LOCAL_ADDRESS", Argument::None, "Our address towards the endpoint",
     upstreamAddress<&UpstreamInfo::local, Part::All>},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     upstreamAddress<&UpstreamInfo::local, Part::WithoutPort>},
    {"UPSTREAM_LOCAL_PORT", Argument::None, "The same, its port", upstreamAddress<&UpstreamInfo::local, Part::Port>},
    {"UPSTREAM_REMOTE_ADDRESS", Argument::None, "The endpoint's address",
     upstreamAddress<&UpstreamInfo::host, Part::All>},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::None, "The same without its port",
     upstreamAddress<&UpstreamInfo::host, Part::WithoutPort>},
    {"UPSTREAM_REMOTE_PORT", Argument::None, "The same, its port", upstreamAddress<&UpstreamInfo::host, Part::Port>},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Argument::None, "Attempts to connect", upstreamNumber<&UpstreamInfo::attempts>},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Argument::None, "Why the upstream connection failed",
     upstreamText<&UpstreamInfo::transport_failure_reason>},
    {"UPSTREAM_WIRE_BYTES_RECEIVED", Argument::None, "Bytes from the endpoint",
     upstreamNumber<&UpstreamInfo::bytes_received>},
    {"UPSTREAM_WIRE_BYTES_SENT", Argument::None, "Bytes to the endpoint", upstreamNumber<&UpstreamInfo::bytes_sent>},

    {"CEL", Argument::Required, "there is no CEL engine", nullptr},
    {"COALESCE", Argument::Required, "there are no HTTP requests yet", nullptr},
    {"COMMON_DURATION", Argument::Required, "there are no HTTP requests yet", nullptr},
    {"CUSTOM_FLAGS", Argument::None, "no filter sets custom flags", nullptr},
    {"DYNAMIC_METADATA", Argument::Required, "no filter writes dynamic metadata yet", nullptr},
    {"CLUSTER_METADATA", Argument::Required, "metadata does not reach workers yet", nullptr},
    {"UPSTREAM_METADATA", Argument::Required, "metadata does not reach workers yet", nullptr},
    {"METADATA", Argument::Required, "metadata does not reach workers yet", nullptr},
    {"FILTER_STATE", Argument::Required, "no filter writes filter state yet", nullptr},
    {"UPSTREAM_FILTER_STATE", Argument::Required, "no filter writes filter state yet", nullptr},
    {"GRPC_STATUS", Argument::Optional, "there are no HTTP requests yet", nullptr},
    {"GRPC_STATUS_NUMBER", Argument::None, "there are no HTTP requests yet", nullptr},
    {"LOCAL_REPLY_BODY", Argument::None, "there are no HTTP requests yet", nullptr},
    {"PATH", Argument::Optional, "there are no HTTP requests yet", nullptr},
    {"QUERY_PARAM", Argument::Required, "there are no HTTP requests yet", nullptr},
    {"QUERY_PARAMS", Argument::Optional, "there are no HTTP requests yet", nullptr},
    {"REQUEST_DURATION", Argument::None, "there are no HTTP requests yet", nullptr},
    {"REQUEST_TX_DURATION", Argument::None, "there are no HTTP requests yet", nullptr},
    {"RESPONSE_DURATION", Argument::None, "there are no HTTP requests yet", nullptr},
    {"RESPONSE_TX_DURATION", Argument::None, "there are no HTTP requests yet", nullptr},
    {"ROUNDTRIP_DURATION", Argument::None, "there is no QUIC", nullptr},
    {"REQUEST_HEADERS_BYTES", Argument::None, "there are no HTTP requests yet", nullptr},
    {"RESPONSE_HEADERS_BYTES", Argument::None, "there are no HTTP requests yet", nullptr},
    {"RESPONSE_TRAILERS_BYTES", Argument::None, "there are no HTTP requests yet", nullptr},
    {"DOWNSTREAM_HEADER_BYTES_RECEIVED", Argument::None, "there are no HTTP requests yet", nullptr},
    {"DOWNSTREAM_HEADER_BYTES_SENT", Argument::None, "there are no HTTP requests yet", nullptr},
    {"UPSTREAM_HEADER_BYTES_RECEIVED", Argument::None, "there are no HTTP requests yet", nullptr},
    {"UPSTREAM_HEADER_BYTES_SENT", Argument::None, "there are no HTTP requests yet", nullptr},
    {"UPSTREAM_PROTOCOL", Argument::None, "there are no HTTP requests yet", nullptr},
    {"UPSTREAM_CONNECTION_POOL_READY_DURATION", Argument::None, "there are no connection pools yet", nullptr},
    {"REQUESTED_SERVER_NAME_OR_HOST", Argument::None, "there are no HTTP requests yet", nullptr},
    {"STREAM_ID", Argument::None, "there are no request ids yet", nullptr},
    {"TRACE_ID", Argument::None, "there is no tracing", nullptr},
    {"SPAN_ID", Argument::None, "there is no tracing", nullptr},
    {"UNIQUE_ID", Argument::None, "a line is told apart by %CONNECTION_ID%", nullptr},
    {"VIRTUAL_CLUSTER_NAME", Argument::None, "there are no HTTP requests yet", nullptr},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", Argument::None, "resets are not told apart yet", nullptr},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", Argument::None, "resets are not told apart yet", nullptr},
    {"DOWNSTREAM_LOCAL_CLOSE_REASON", Argument::None, "see %CONNECTION_TERMINATION_DETAILS%", nullptr},
    {"UPSTREAM_LOCAL_CLOSE_REASON", Argument::None, "see %UPSTREAM_TRANSPORT_FAILURE_REASON%", nullptr},
    {"DOWNSTREAM_LOCAL_DNS_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_LOCAL_EMAIL_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_LOCAL_IP_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_LOCAL_SUBJECT", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_LOCAL_URI_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CERT", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CERT_V_END", Argument::Optional, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CERT_V_START", Argument::Optional, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_CHAIN_SERIALS", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_DNS_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_EMAIL_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_IP_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_ISSUER", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_SERIAL", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_SUBJECT", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_PEER_URI_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_TLS_CIPHER", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_TLS_SESSION_ID", Argument::None, "there is no TLS yet", nullptr},
    {"DOWNSTREAM_TLS_VERSION", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_LOCAL_SUBJECT", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_LOCAL_URI_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_PEER_CERT", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_PEER_ISSUER", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_PEER_SUBJECT", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_PEER_URI_SAN", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_TLS_CIPHER", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_TLS_SESSION_ID", Argument::None, "there is no TLS yet", nullptr},
    {"UPSTREAM_TLS_VERSION", Argument::None, "there is no TLS yet", nullptr},
    {"TLS_JA3_FINGERPRINT", Argument::None, "there is no TLS yet", nullptr},
    {"TLS_JA4_FINGERPRINT", Argument::None, "there is no TLS yet", nullptr},
};

}  // namespace

OperatorTable::OperatorTable() {
  for (const Operator& op : kOperators) {
    add(op);
  }
}

}  // namespace sluice::access_log
