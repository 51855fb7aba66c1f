#pragma once

#include "envoy/admin/v3/server_info.pb.h"

#include "source/server/options.h"

namespace sluice::server {

/** The options as /server_info shows them. */
envoy::admin::v3::CommandLineOptions describeOptions(const Options& options);

}  // namespace sluice::server
