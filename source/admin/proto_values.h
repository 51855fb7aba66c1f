#pragma once

#include "envoy/config/core/v3/address.pb.h"
#include "google/protobuf/timestamp.pb.h"

#include "source/base/clock.h"
#include "source/net/address.h"

// Plain values as the admin API's messages hold them.

namespace sluice::admin {

void toProto(const net::Address& address, envoy::config::core::v3::Address& out);
/** To the millisecond. */
void toProto(base::SystemTime time, google::protobuf::Timestamp& out);

}  // namespace sluice::admin
