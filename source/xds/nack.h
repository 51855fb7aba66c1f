#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/rpc/status.pb.h"

#include "source/xds/subscription.h"

namespace sluice::xds {

/**
 * What main can write in a fraction of a millisecond, however many mistakes there are; and gRPC servers take 4 MiB unless
 * told otherwise. The admin pages show each refused resource's own mistakes.
 */
inline constexpr size_t kMaxNackBytes = 64 * 1024;
inline constexpr int kMaxNackFields = 250;
inline constexpr size_t kMaxLogBytes = 16 * 1024;

/**
 * One mistake a line, with the resource, the field's path and the reason:
 *   Listener "front": filter_chains[0].filters[1].typed_config: there is no filter of type 'x'
 * From the first line on that would make it longer than `max_bytes` all is left out, with a last line that says how much.
 */
std::string describeErrors(absl::string_view type_url, absl::Span<const ResourceError> errors,
                           size_t max_bytes = kMaxLogBytes);

/** The error_detail of a NACK: code Internal, as Envoy's, the text above, and a google.rpc.BadRequest of the fields. */
google::rpc::Status nackStatus(absl::string_view type_url, absl::Span<const ResourceError> errors);

}  // namespace sluice::xds
