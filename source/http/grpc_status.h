#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::http {

/** "application/grpc", alone or with a "+suffix": not "application/grpc-web". */
bool isGrpcContentType(absl::string_view content_type);

/** What a gRPC client takes an HTTP status for (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md). */
uint32_t grpcStatusOf(uint32_t http_status);

/** What a gRPC status would be in HTTP; 500 for what is no status. */
uint32_t httpStatusOfGrpc(uint32_t grpc_status);

/** For grpc-message: what is not printable ASCII, and '%', as %XX. */
std::string percentEncodeGrpcMessage(absl::string_view text);

}  // namespace sluice::http
