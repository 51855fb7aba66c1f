#pragma once

#include <cstdint>

#include "google/protobuf/duration.pb.h"

namespace sluice::config {

/// Saturating, rounded towards zero; negative durations stay negative.
int64_t toNanoseconds(const google::protobuf::Duration& duration);
int64_t toMilliseconds(const google::protobuf::Duration& duration);

/// `message.has_x() ? toMilliseconds(message.x()) : fallback_ms`, as in
/// `durationOr(cluster.has_connect_timeout(), cluster.connect_timeout(), 5000)`.
int64_t durationOr(bool has, const google::protobuf::Duration& duration, int64_t fallback_ms);

}  // namespace sluice::config
