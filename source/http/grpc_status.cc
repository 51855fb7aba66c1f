#include "source/http/grpc_status.h"

#include <iterator>

#include "absl/strings/match.h"

namespace sluice::http {

bool isGrpcContentType(absl::string_view content_type) {
  constexpr absl::string_view kGrpc = "application/grpc";
  return absl::StartsWith(content_type, kGrpc) &&
         (content_type.size() == kGrpc.size() || content_type[kGrpc.size()] == '+');
}

uint32_t grpcStatusOf(uint32_t http_status) {
  switch (http_status) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;  // UNAVAILABLE
    default:
      return 2;  // UNKNOWN
  }
}

uint32_t httpStatusOfGrpc(uint32_t grpc_status) {
  static constexpr uint32_t kStatuses[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                           400, 409, 400, 501, 500, 503, 500, 401};
  return grpc_status < std::size(kStatuses) ? kStatuses[grpc_status] : 500;
}

std::string percentEncodeGrpcMessage(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c < ' ' || c >= '~' || c == '%') {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace sluice::http
