#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/common/config_tools.h"
#include "source/filters/http/factory.h"
#include "source/grpc/upstreams.h"
#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace envoy::config::core::v3 {
class Node;
}

namespace sluice::filters {

/** What filters that call services are made with; all of it outlives them. */
struct ServiceFilterContext {
  event::Dispatcher& main;
  thread::SlotAllocator& slots;
  stats::ScopePtr root;
  const grpc::Upstreams& upstreams;
  ConfigTools tools;
  const envoy::config::core::v3::Node& node;
};

/** envoy.filters.http.ext_authz: asks a service about each request, and denies it as that says. */
std::unique_ptr<HttpFilterFactory> extAuthzFactory(const ServiceFilterContext& context);

/** The same for connections. */
std::unique_ptr<listener::NetworkFilterFactory> networkExtAuthzFactory(const ServiceFilterContext& context);

/** envoy.filters.http.jwt_authn: lets pass requests that bear a JSON Web Token which their rule asks for. */
std::unique_ptr<HttpFilterFactory> jwtAuthnFactory(const ServiceFilterContext& context);

}  // namespace sluice::filters
