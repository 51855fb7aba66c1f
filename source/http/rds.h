#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "envoy/config/route/v3/route.pb.h"

#include "source/event/dispatcher.h"
#include "source/http/route_config.h"
#include "source/http/route_provider.h"
#include "source/http/route_view.h"
#include "source/thread/slot.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::http {

class RdsRoutes;
class InlineRoutes;
class WorkerRoutes;

/**
 * Gives connection managers their route tables, and keeps one subscription for all that name the same source and route
 * configuration. Main thread; owned by the server; outlives all listeners and goes before the subscription factory.
 */
class RouteProviders {
 public:
  using RouteConfiguration = envoy::config::route::v3::RouteConfiguration;

  /** All of them outlive this. */
  RouteProviders(event::Dispatcher& main, thread::SlotAllocator& slots, xds::SubscriptionFactory& subscriptions,
                 RouteServices services);
  ~RouteProviders();
  RouteProviders(const RouteProviders&) = delete;
  RouteProviders& operator=(const RouteProviders&) = delete;

  /** Null if there are violations. Clusters that do not exist are mistakes unless the message says otherwise. */
  std::shared_ptr<RouteProvider> makeInline(std::shared_ptr<const RouteConfiguration> message,
                                            const config::FieldPath& path, config::Violations& violations);

  /**
   * Subscribes at once, unless another connection manager did; `init` waits for the first table, or for the word that
   * none comes: requests then find no route. `stat_prefix` is "http.<prefix>.": what comes first names the statistics
   * <stat_prefix>rds.<name>.*. Fails for a source of a kind that Sluice does not have.
   */
  absl::StatusOr<std::shared_ptr<RouteProvider>> makeRds(const envoy::config::core::v3::ConfigSource& source,
                                                         const std::string& name, absl::string_view stat_prefix,
                                                         xds::InitManager& init);

  /** In order of `after`, which an earlier visit was told with its view; "" begins. Stops when `visit` returns false. */
  void visit(const std::string& after, RouteViewVisitor visit) const;

 private:
  friend class RdsRoutes;
  friend class InlineRoutes;

  event::Dispatcher& main_;
  thread::SlotAllocator& slots_;
  xds::SubscriptionFactory& subscriptions_;
  const RouteServices services_;
  /** By name, and what tells those of one name apart. They take themselves out. */
  std::map<std::string, std::weak_ptr<RdsRoutes>> dynamic_;
  std::map<std::string, const InlineRoutes*> static_;
  uint64_t next_inline_ = 0;
};

}  // namespace sluice::http
