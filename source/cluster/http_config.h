#pragma once

#include "source/cluster/cluster_config.h"
#include "source/cluster/http_options.h"

namespace sluice::cluster {

/**
 * How HTTP is spoken to a cluster: from its HttpProtocolOptions or, without them, its deprecated fields of the same
 * meaning. Mistakes go to `violations`. Pure; any thread.
 */
HttpOptions readHttpOptions(const ClusterProto& proto, const config::FieldPath& path, config::Violations& violations);

/** Counts of the protocols that such a cluster speaks, as `http1.*` and `http2.*` under its scope. On main. */
HttpCodecStats makeCodecStats(const HttpOptions& options, stats::Scope& scope);

}  // namespace sluice::cluster
