#include "source/http/access_log_operators.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/access_log/metadata_value.h"
#include "source/access_log/state_operators.h"
#include "source/access_log/values.h"
#include "source/http/route.h"
#include "source/http/stream_info.h"

namespace sluice::http {
namespace {

using access_log::appendNumber;
using access_log::appendText;
using access_log::AppendValue;
using access_log::Argument;
using access_log::LogContext;
using access_log::Operator;
using access_log::OperatorTable;
using access_log::PreparedArgument;

constexpr Operator number(absl::string_view name, absl::string_view help, AppendValue append) {
  return {name, Argument::None, help, append, nullptr, append};
}

/** 0 for TCP. */
template <auto field>
bool streamNumber(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendNumber(context.http == nullptr ? 0 : context.http->*field, out);
}

/** A field of the stream's, and for TCP one of the connection's. */
template <auto field, auto of_connection>
bool wireBytes(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendNumber(context.http == nullptr ? context.info.*of_connection : context.http->*field, out);
}

template <auto field, auto of_connection>
bool upstreamWireBytes(const LogContext& context, const PreparedArgument&, std::string& out) {
  if (context.http != nullptr) {
    return appendNumber(context.http->*field, out);
  }
  return appendNumber(context.info.upstream == nullptr ? 0 : context.info.upstream.get()->*of_connection, out);
}

template <const HeaderMap* StreamInfo::*map>
bool mapBytes(const LogContext& context, const PreparedArgument&, std::string& out) {
  const HeaderMap* const headers = context.http == nullptr ? nullptr : context.http->*map;
  return appendNumber(headers == nullptr ? 0 : headers->byteSize(), out);
}

bool appendProtocol(Protocol protocol, std::string& out) {
  switch (protocol) {
    case Protocol::Http10:
      out += "HTTP/1.0";
      return true;
    case Protocol::Http11:
      out += "HTTP/1.1";
      return true;
    case Protocol::Http2:
      out += "HTTP/2";
      return true;
  }
  return false;
}

bool protocol(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.http != nullptr && appendProtocol(context.http->protocol, out);
}

bool upstreamProtocol(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.http != nullptr && context.http->upstream_protocol.has_value() &&
         appendProtocol(*context.http->upstream_protocol, out);
}

absl::Status prepareDetails(PreparedArgument& argument, const OperatorTable&) {
  argument.numbers[0] = argument.text == "ALLOW_WHITESPACES" ? 1 : 0;
  if (argument.numbers[0] == 0 && !argument.text.empty()) {
    return absl::InvalidArgumentError("the argument can only be ALLOW_WHITESPACES");
  }
  return absl::OkStatus();
}

bool codeDetails(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const size_t before = out.size();
  if (context.http == nullptr ? !appendText(context.info.response_code_details, out)
                              : !appendText(context.http->details, out)) {
    return false;
  }
  for (size_t i = before; argument.numbers[0] == 0 && i < out.size(); ++i) {
    const char c = out[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r') {
      out[i] = '_';
    }
  }
  return true;
}

bool routeName(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.http != nullptr && context.http->route != nullptr && appendText(context.http->route->name, out);
}

bool virtualCluster(const LogContext& context, const PreparedArgument&, std::string& out) {
  return context.http != nullptr && appendText(context.http->virtual_cluster, out);
}

bool attempts(const LogContext& context, const PreparedArgument&, std::string& out) {
  if (context.http != nullptr) {
    return appendNumber(context.http->attempt_count, out);
  }
  return appendNumber(context.info.upstream == nullptr ? 0 : context.info.upstream->attempts, out);
}

/** A value also where it is empty: most requests have no local reply. */
bool localReplyBody(const LogContext& context, const PreparedArgument&, std::string& out) {
  appendText(context.local_reply_body, out);
  return true;
}

using MetadataOf = const envoy::config::core::v3::Metadata* (*)(const LogContext& context);

const envoy::config::core::v3::Metadata* routeMetadata(const LogContext& context) {
  return context.http == nullptr || context.http->route == nullptr ? nullptr : context.http->route->metadata.get();
}

const envoy::config::core::v3::Metadata* virtualHostMetadata(const LogContext& context) {
  return context.http == nullptr || context.http->virtual_host == nullptr ? nullptr
                                                                          : context.http->virtual_host->metadata.get();
}

constexpr struct {
  absl::string_view type;
  MetadataOf find;
} kMetadata[] = {
    {"DYNAMIC", access_log::dynamicMetadata},    {"CLUSTER", access_log::clusterMetadata}, {"ROUTE", routeMetadata},
    {"UPSTREAM_HOST", access_log::hostMetadata}, {"VIRTUAL_HOST", virtualHostMetadata},
};

/** "TYPE:NAMESPACE:KEY..." */
absl::Status prepareMetadata(PreparedArgument& argument, const OperatorTable& table) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(argument.text, absl::MaxSplits(':', 1));
  if (parts.first == "LISTENER" || parts.first == "LISTENER_FILTER_CHAIN") {
    return absl::InvalidArgumentError("the metadata of listeners does not reach their requests");
  }
  for (uint32_t i = 0; i < std::size(kMetadata); ++i) {
    if (kMetadata[i].type == parts.first) {
      argument.numbers[0] = i;
      argument.text = parts.second;
      return access_log::prepareMetadataPath(argument, table);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no metadata of the type '", parts.first, "'"));
}

bool metadataText(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return access_log::appendMetadataText(kMetadata[argument.numbers[0]].find(context), argument.parts, out);
}

bool metadataJson(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return access_log::appendMetadataJson(kMetadata[argument.numbers[0]].find(context), argument.parts, out);
}

constexpr Operator kOperators[] = {
    {"PROTOCOL", Argument::None, "HTTP/1.0, HTTP/1.1 or HTTP/2; - for TCP", protocol},
    {"UPSTREAM_PROTOCOL", Argument::None, "The same of the upstream connection", upstreamProtocol},
    number("RESPONSE_CODE", "Of the response; 0 while there is none, and for TCP",
           streamNumber<&StreamInfo::response_code>),
    {"RESPONSE_CODE_DETAILS", Argument::Optional,
     "What set the response code; with X as ALLOW_WHITESPACES spaces stay, else they become _", codeDetails,
     prepareDetails},
    {"ROUTE_NAME", Argument::None, "The route's name", routeName},
    {"VIRTUAL_CLUSTER_NAME", Argument::None, "The virtual cluster that matched", virtualCluster},
    {"LOCAL_REPLY_BODY", Argument::None, "In a local reply's format: the body as it would be without", localReplyBody},
    number("UPSTREAM_REQUEST_ATTEMPT_COUNT", "How often the request was sent upstream; for TCP, attempts to connect",
           attempts),
    {"METADATA", Argument::Required,
     "Metadata of DYNAMIC, CLUSTER, ROUTE, UPSTREAM_HOST or VIRTUAL_HOST; then its namespace and keys, after colons",
     metadataText, prepareMetadata, metadataJson},

    number("REQUEST_HEADERS_BYTES", "Names and values of the request's headers",
           mapBytes<&StreamInfo::request_headers>),
    number("RESPONSE_HEADERS_BYTES", "Names and values of the response's headers",
           mapBytes<&StreamInfo::response_headers>),
    number("RESPONSE_TRAILERS_BYTES", "Names and values of the response's trailers",
           mapBytes<&StreamInfo::response_trailers>),
    number("DOWNSTREAM_WIRE_BYTES_RECEIVED", "Bytes from the client, as on the wire",
           wireBytes<&StreamInfo::downstream_wire_bytes_received, &net::StreamInfo::bytes_received>),
    number("DOWNSTREAM_WIRE_BYTES_SENT", "Bytes to the client, as on the wire",
           wireBytes<&StreamInfo::downstream_wire_bytes_sent, &net::StreamInfo::bytes_sent>),
    number("UPSTREAM_WIRE_BYTES_RECEIVED", "Bytes from the endpoint, as on the wire",
           upstreamWireBytes<&StreamInfo::upstream_wire_bytes_received, &net::UpstreamInfo::bytes_received>),
    number("UPSTREAM_WIRE_BYTES_SENT", "Bytes to the endpoint, as on the wire",
           upstreamWireBytes<&StreamInfo::upstream_wire_bytes_sent, &net::UpstreamInfo::bytes_sent>),
    number("DOWNSTREAM_HEADER_BYTES_RECEIVED", "Of those from the client, the headers'",
           streamNumber<&StreamInfo::downstream_header_bytes_received>),
    number("DOWNSTREAM_HEADER_BYTES_SENT", "Of those to the client, the headers'",
           streamNumber<&StreamInfo::downstream_header_bytes_sent>),
    number("UPSTREAM_HEADER_BYTES_RECEIVED", "Of those from the endpoint, the headers'",
           streamNumber<&StreamInfo::upstream_header_bytes_received>),
    number("UPSTREAM_HEADER_BYTES_SENT", "Of those to the endpoint, the headers'",
           streamNumber<&StreamInfo::upstream_header_bytes_sent>),
};

}  // namespace

void addAccessLogOperators(OperatorTable& table) {
  for (const Operator& op : kOperators) {
    table.add(op);
  }
  for (const absl::string_view name :
       {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"}) {
    table.add({name, Argument::None, "headers are not counted apart from their compression", nullptr});
  }
  addHeaderOperators(table);
  addTimingOperators(table);
}

OperatorTable accessLogOperators() {
  OperatorTable table;
  addAccessLogOperators(table);
  return table;
}

}  // namespace sluice::http
