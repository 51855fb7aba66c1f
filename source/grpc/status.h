#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "source/grpc/exchange.h"
#include "source/http/header_map.h"

namespace sluice::grpc {

/** gRPC's status codes that are made or looked at here. */
namespace code {
inline constexpr uint32_t kOk = 0;
inline constexpr uint32_t kCancelled = 1;
inline constexpr uint32_t kUnknown = 2;
inline constexpr uint32_t kDeadlineExceeded = 4;
inline constexpr uint32_t kPermissionDenied = 7;
inline constexpr uint32_t kResourceExhausted = 8;
inline constexpr uint32_t kInternal = 13;
inline constexpr uint32_t kUnavailable = 14;
inline constexpr uint32_t kUnauthenticated = 16;
}  // namespace code

/** How a call ended. */
struct Status {
  uint32_t code = code::kOk;
  std::string message;
};

/** What headers tell of a call's end: when they are the whole answer, or no answer of gRPC at all. */
std::optional<Status> statusOfHeaders(const http::HeaderMap& headers, bool end_stream);
/** Of trailers, or headers that are them too. */
Status statusOfTrailers(const http::HeaderMap& trailers);
/** A call that had no answer. */
Status statusOfFailure(CallFailure failure, absl::string_view text);

/** The opposite of http::percentEncodeGrpcMessage(); what is no such text stays as it is. */
std::string percentDecode(absl::string_view text);

}  // namespace sluice::grpc
