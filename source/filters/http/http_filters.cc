#include "source/filters/http/http_filters.h"

#include "source/filters/http/buffer.h"
#include "source/filters/http/compressor.h"
#include "source/filters/http/cors.h"
#include "source/filters/http/fault.h"
#include "source/filters/http/grpc_stats.h"
#include "source/filters/http/grpc_web.h"
#include "source/filters/http/header_mutation.h"
#include "source/filters/http/health_check.h"
#include "source/filters/http/istio_alpn.h"
#include "source/filters/http/local_rate_limit.h"
#include "source/filters/http/rbac.h"
#include "source/filters/http/set_filter_state.h"

namespace sluice::filters {

void addHttpFilters(const HttpFilterNeeds& needs, HttpFilterFactories& out) {
  const runtime::Snapshot& runtime = needs.tools.runtime;
  out.push_back(bufferFactory(needs.main));
  out.push_back(compressorFactory(needs.main, runtime));
  out.push_back(corsFactory(needs.main, runtime));
  out.push_back(faultFactory(needs.main, runtime));
  out.push_back(grpcStatsFactory(needs.main, needs.root));
  out.push_back(grpcWebFactory(needs.main, needs.root));
  out.push_back(headerMutationFactory(needs.main, needs.tools));
  out.push_back(healthCheckFactory(needs.main, runtime, needs.clusters, needs.local_cluster));
  out.push_back(httpRbacFactory(needs.main, runtime));
  out.push_back(istioAlpnFactory(needs.main, needs.clusters));
  out.push_back(localRateLimitFactory(needs.main, needs.root, needs.tools));
  out.push_back(setFilterStateFactory(needs.main, needs.tools));
}

}  // namespace sluice::filters
