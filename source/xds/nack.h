#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"

#include "source/xds/subscription.h"

namespace sluice::xds {

/** gRPC servers take 4 MiB unless told otherwise, and a NACK tells everything twice. */
inline constexpr size_t kMaxNackBytes = 1024 * 1024;
inline constexpr size_t kMaxLogBytes = 16 * 1024;

/**
 * One mistake a line, with the resource, the field's path and the reason:
 *   Listener "front": filter_chains[0].filters[1].typed_config: there is no filter of type 'x'
 * What would be longer than `max_bytes` is left out, with a last line that says how much.
 */
std::string describeErrors(absl::string_view type_url, const std::vector<ResourceError>& errors,
                           size_t max_bytes = kMaxLogBytes);

/** The error_detail of a NACK: code Internal, as Envoy's, the text above, and a google.rpc.BadRequest of the fields. */
google::rpc::Status nackStatus(absl::string_view type_url, const std::vector<ResourceError>& errors);

}  // namespace sluice::xds
