#include "source/grpc/status.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/http/grpc_status.h"

namespace sluice::grpc {

using http::HeaderId;

std::optional<Status> statusOfHeaders(const http::HeaderMap& headers, bool end_stream) {
  uint32_t http_status = 0;
  if (!absl::SimpleAtoi(headers.get(HeaderId::Status), &http_status)) {
    http_status = 0;
  }
  if (end_stream && (http_status == 200 || headers.has(HeaderId::GrpcStatus))) {
    return statusOfTrailers(headers);
  }
  if (http_status != 200) {
    return Status{http::grpcStatusOf(http_status), absl::StrCat("HTTP status ", http_status)};
  }
  return std::nullopt;
}

Status statusOfTrailers(const http::HeaderMap& trailers) {
  Status status;
  if (!absl::SimpleAtoi(trailers.get(HeaderId::GrpcStatus), &status.code)) {
    return {code::kUnknown, "the answer has no grpc-status"};
  }
  status.message = percentDecode(trailers.get(HeaderId::GrpcMessage));
  return status;
}

Status statusOfFailure(CallFailure failure, absl::string_view text) {
  switch (failure) {
    case CallFailure::Timeout:
      return {code::kDeadlineExceeded, std::string(text)};
    case CallFailure::TooLarge:
      return {code::kResourceExhausted, std::string(text)};
    case CallFailure::NoCluster:
    case CallFailure::NoHealthyUpstream:
    case CallFailure::Overflow:
    case CallFailure::ConnectFailure:
    case CallFailure::Reset:
    case CallFailure::RefusedStream:
      break;
  }
  return {code::kUnavailable, std::string(text)};
}

std::string percentDecode(absl::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace sluice::grpc
