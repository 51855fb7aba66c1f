// Operators that read headers, and what is in them.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/access_log/values.h"
#include "source/http/access_log_operators.h"
#include "source/http/grpc_status.h"
#include "source/http/header_map.h"
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

/** "NAME" or "NAME?OTHER": names in lower case into `parts`, ids into `numbers`. */
absl::Status prepareHeader(PreparedArgument& argument, const OperatorTable&) {
  argument.parts = absl::StrSplit(absl::AsciiStrToLower(argument.text), '?');
  if (argument.parts.size() > 2) {
    return absl::InvalidArgumentError(absl::StrCat("more than one alternative header in '", argument.text, "'"));
  }
  for (size_t i = 0; i < argument.parts.size(); ++i) {
    if (argument.parts[i].empty() ||
        argument.parts[i].find_first_of(" \t\r\n\"(),/;<=>?@[\\]{}") != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("'", argument.parts[i], "' is no name of a header"));
    }
    argument.numbers[i] = static_cast<uint32_t>(headerId(argument.parts[i]));
  }
  return absl::OkStatus();
}

const Header* findHeader(const HeaderMap* headers, const PreparedArgument& argument) {
  for (size_t i = 0; headers != nullptr && i < argument.parts.size(); ++i) {
    const auto id = static_cast<HeaderId>(argument.numbers[i]);
    const Header* const found = id == HeaderId::Other ? headers->find(argument.parts[i]) : headers->find(id);
    if (found != nullptr) {
      return found;
    }
  }
  return nullptr;
}

template <const HeaderMap* StreamInfo::*map>
bool header(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const Header* const found = context.http == nullptr ? nullptr : findHeader(context.http->*map, argument);
  if (found == nullptr) {
    return false;
  }
  appendText(found->value, out);
  return true;
}

bool requestWithoutQuery(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const Header* const found = context.http == nullptr ? nullptr : findHeader(context.http->request_headers, argument);
  if (found == nullptr) {
    return false;
  }
  appendText(found->value.substr(0, found->value.find('?')), out);
  return true;
}

/** Null data when there is none. */
absl::string_view requestHeader(const LogContext& context, HeaderId id) {
  return context.http == nullptr || context.http->request_headers == nullptr ? absl::string_view()
                                                                             : context.http->request_headers->get(id);
}

/** Where a path or host is taken from. */
enum From : uint32_t { kOriginalOrCurrent, kOriginal, kCurrent };

absl::string_view pick(const LogContext& context, uint32_t from, HeaderId original, HeaderId current) {
  if (from != kCurrent) {
    const absl::string_view value = requestHeader(context, original);
    if (from == kOriginal || value.data() != nullptr) {
      return value;
    }
  }
  return requestHeader(context, current);
}

/** The index of `word` in a short list. */
absl::Status choose(absl::string_view word, std::initializer_list<absl::string_view> words, uint32_t& out) {
  uint32_t index = 0;
  std::string all;
  for (const absl::string_view known : words) {
    if (known == word) {
      out = index;
      return absl::OkStatus();
    }
    absl::StrAppend(&all, index == 0 ? "" : ", ", known);
    ++index;
  }
  return absl::InvalidArgumentError(absl::StrCat("'", word, "' is none of ", all));
}

/** "X:Y", either or both of them; an empty one stays 0. */
absl::Status prepareTwo(PreparedArgument& argument, std::initializer_list<absl::string_view> first,
                        std::initializer_list<absl::string_view> second) {
  const std::vector<absl::string_view> parts = absl::StrSplit(argument.text, ':');
  if (parts.size() > 2) {
    return absl::InvalidArgumentError(absl::StrCat("too many arguments in '", argument.text, "'"));
  }
  if (!parts[0].empty()) {
    if (absl::Status status = choose(parts[0], first, argument.numbers[0]); !status.ok()) {
      return status;
    }
  }
  return parts.size() < 2 ? absl::OkStatus() : choose(parts[1], second, argument.numbers[1]);
}

absl::Status preparePath(PreparedArgument& argument, const OperatorTable&) {
  return prepareTwo(argument, {"WQ", "NQ"}, {"ORIG_OR_PATH", "ORIG", "PATH"});
}

bool path(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const absl::string_view value = pick(context, argument.numbers[1], HeaderId::EnvoyOriginalPath, HeaderId::Path);
  if (value.data() == nullptr) {
    return false;
  }
  return appendText(argument.numbers[0] == 1 ? value.substr(0, value.find('?')) : value, out);
}

/** What follows the '?'; null data when there is none. */
absl::string_view query(const LogContext& context) {
  const absl::string_view value = requestHeader(context, HeaderId::Path);
  const size_t mark = value.find('?');
  if (mark == absl::string_view::npos) {
    return {};
  }
  const absl::string_view rest = value.substr(mark + 1);
  return rest.substr(0, rest.find('#'));
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/** Calls emit(char) for each byte that `text` means. */
template <class Emit>
void decode(absl::string_view text, Emit&& emit) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hexDigit(text[i + 1]) >= 0 && hexDigit(text[i + 2]) >= 0) {
      emit(static_cast<char>(hexDigit(text[i + 1]) * 16 + hexDigit(text[i + 2])));
      i += 2;
    } else {
      emit(text[i]);
    }
  }
}

bool meansSame(absl::string_view encoded, absl::string_view plain) {
  size_t at = 0;
  bool same = true;
  decode(encoded, [&at, &same, plain](char c) {
    same = same && at < plain.size() && plain[at] == c;
    ++at;
  });
  return same && at == plain.size();
}

bool queryParam(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  absl::string_view rest = query(context);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const absl::string_view pair = rest.substr(0, end);
    rest = end == absl::string_view::npos ? absl::string_view() : rest.substr(end + 1);
    const size_t equals = pair.find('=');
    if (!pair.empty() && meansSame(pair.substr(0, equals), argument.text)) {
      decode(equals == absl::string_view::npos ? absl::string_view() : pair.substr(equals + 1),
             [&out](char c) { out += c; });
      return true;
    }
  }
  return false;
}

absl::Status prepareQueryParams(PreparedArgument& argument, const OperatorTable&) {
  return argument.text.empty() ? absl::OkStatus() : choose(argument.text, {"ORIG", "DECODED"}, argument.numbers[0]);
}

bool queryParams(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const absl::string_view all = query(context);
  if (argument.numbers[0] == 0) {
    return appendText(all, out);
  }
  // As Envoy's "decoded" form is: what a log line would trip over stays encoded.
  decode(all, [&out](char c) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= ' ' || byte >= 0x7f || c == '%') {
      constexpr char kHex[] = "0123456789ABCDEF";
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  });
  return !all.empty();
}

absl::Status prepareServerName(PreparedArgument& argument, const OperatorTable&) {
  return prepareTwo(argument, {"SNI_ONLY", "SNI_FIRST", "HOST_FIRST"}, {"ORIG_OR_HOST", "ORIG", "HOST"});
}

bool requestedServerName(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const auto sni = [&context, &out] { return access_log::appendHostName(context.info.requestedServerName(), out); };
  const auto host = [&context, &argument, &out] {
    return appendText(pick(context, argument.numbers[1], HeaderId::EnvoyOriginalHost, HeaderId::Authority), out);
  };
  switch (argument.numbers[0]) {
    case 0:
      return sni();
    case 1:
      return sni() || host();
    default:
      return host() || sni();
  }
}

enum GrpcForm : uint32_t { kCamel, kSnake, kNumber };

absl::Status prepareGrpc(PreparedArgument& argument, const OperatorTable&) {
  return argument.text.empty() ? absl::OkStatus()
                               : choose(argument.text, {"CAMEL_STRING", "SNAKE_STRING", "NUMBER"}, argument.numbers[0]);
}

constexpr struct {
  absl::string_view camel;
  absl::string_view snake;
} kGrpcStatus[] = {
    {"OK", "OK"},
    {"Canceled", "CANCELLED"},
    {"Unknown", "UNKNOWN"},
    {"InvalidArgument", "INVALID_ARGUMENT"},
    {"DeadlineExceeded", "DEADLINE_EXCEEDED"},
    {"NotFound", "NOT_FOUND"},
    {"AlreadyExists", "ALREADY_EXISTS"},
    {"PermissionDenied", "PERMISSION_DENIED"},
    {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
    {"FailedPrecondition", "FAILED_PRECONDITION"},
    {"Aborted", "ABORTED"},
    {"OutOfRange", "OUT_OF_RANGE"},
    {"Unimplemented", "UNIMPLEMENTED"},
    {"Internal", "INTERNAL"},
    {"Unavailable", "UNAVAILABLE"},
    {"DataLoss", "DATA_LOSS"},
    {"Unauthenticated", "UNAUTHENTICATED"},
};

bool appendGrpc(const LogContext& context, uint32_t form, std::string& out) {
  if (!isGrpcContentType(requestHeader(context, HeaderId::ContentType))) {
    return false;
  }
  const std::optional<uint32_t> status = grpcStatus(*context.http);
  if (!status.has_value()) {
    return false;
  }
  if (form == kNumber || *status >= std::size(kGrpcStatus)) {
    return appendNumber(*status, out);
  }
  return appendText(form == kCamel ? kGrpcStatus[*status].camel : kGrpcStatus[*status].snake, out);
}

bool grpcText(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return appendGrpc(context, argument.numbers[0], out);
}

bool grpcJson(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  if (argument.numbers[0] == kNumber) {
    return appendGrpc(context, kNumber, out);
  }
  out += '"';
  const bool any = appendGrpc(context, argument.numbers[0], out);
  out += '"';
  return any;
}

bool grpcNumber(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendGrpc(context, kNumber, out);
}

bool streamId(const LogContext& context, const PreparedArgument&, std::string& out) {
  if (context.http != nullptr && !context.http->request_id.empty()) {
    return appendText(context.http->request_id, out);
  }
  access_log::appendStreamUuid(context.info, out);
  return true;
}

}  // namespace

std::optional<uint32_t> grpcStatus(const StreamInfo& info) {
  for (const HeaderMap* map : {info.response_trailers, info.response_headers}) {
    uint32_t status = 0;
    if (map != nullptr && map->has(HeaderId::GrpcStatus) && absl::SimpleAtoi(map->get(HeaderId::GrpcStatus), &status)) {
      return status;
    }
  }
  return info.response_code == 0 ? std::nullopt : std::optional<uint32_t>(grpcStatusOf(info.response_code));
}

void addHeaderOperators(OperatorTable& table) {
  constexpr absl::string_view kRequest = "The request's header X, or Y where X is X?Y and there is no X";
  constexpr absl::string_view kResponse = "The response's header";
  constexpr absl::string_view kTrailer = "The response's trailer";
  for (const auto& [name, help, append] :
       {std::tuple{"REQ", kRequest, AppendValue(header<&StreamInfo::request_headers>)},
        std::tuple{"REQUEST_HEADER", kRequest, AppendValue(header<&StreamInfo::request_headers>)},
        std::tuple{"RESP", kResponse, AppendValue(header<&StreamInfo::response_headers>)},
        std::tuple{"RESPONSE_HEADER", kResponse, AppendValue(header<&StreamInfo::response_headers>)},
        std::tuple{"TRAILER", kTrailer, AppendValue(header<&StreamInfo::response_trailers>)},
        std::tuple{"RESPONSE_TRAILER", kTrailer, AppendValue(header<&StreamInfo::response_trailers>)},
        std::tuple{"REQ_WITHOUT_QUERY", absl::string_view("As REQ, without what follows a ?; PATH is newer"),
                   AppendValue(requestWithoutQuery)}}) {
    table.add({name, Argument::Required, help, append, prepareHeader});
  }
  table.add({"PATH", Argument::Optional,
             "The path: X is WQ (with its query) or NQ, then perhaps :ORIG (x-envoy-original-path), :PATH, or "
             ":ORIG_OR_PATH",
             path, preparePath});
  table.add({"QUERY_PARAM", Argument::Required, "The query parameter X, decoded", queryParam});
  table.add(
      {"QUERY_PARAMS", Argument::Optional, "The whole query; X is ORIG or DECODED", queryParams, prepareQueryParams});
  table.add({"REQUESTED_SERVER_NAME", Argument::Optional,
             "The name that the client asked for: X is SNI_ONLY, SNI_FIRST or HOST_FIRST, then perhaps :ORIG "
             "(x-envoy-original-host), :HOST, or :ORIG_OR_HOST",
             requestedServerName, prepareServerName});
  table.add({"STREAM_ID", Argument::None, "The request's x-request-id; of a connection, a UUID", streamId});
  table.add({"GRPC_STATUS", Argument::Optional, "gRPC's status; X is CAMEL_STRING, SNAKE_STRING or NUMBER", grpcText,
             prepareGrpc, grpcJson});
  table.add({"GRPC_STATUS_NUMBER", Argument::None, "The same as a number", grpcNumber, nullptr, grpcNumber});
}

}  // namespace sluice::http
