#pragma once

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "source/access_log/factory.h"
#include "source/access_log/log_filter.h"
#include "source/access_log/operators.h"
#include "source/cluster/local_clusters.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/http/filter.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::filters {

/** What HTTP filters' factories are given once; all of it outlives what they make. */
struct HttpFilterServices {
  event::Dispatcher& main;
  thread::SlotAllocator& slots;
  stats::ScopePtr root;
  const cluster::ClusterProvider& clusters;
  const access_log::LoggerFactory& access_loggers;
  const access_log::OperatorTable& operators;
  const access_log::LogFilterFactory& log_filters;
  xds::SubscriptionFactory& subscriptions;
};

/** What a factory gets of the connection manager that its filter is for. The references are valid during the call. */
struct HttpFilterContext {
  /** "http.<stat_prefix>."; keep the pointer for as long as its statistics are counted into. */
  stats::ScopePtr scope;
  /** What must be there before the listener serves is added here. */
  xds::InitManager& init_manager;
  /** The filter's name in the chain: typed_per_filter_config goes by it. */
  absl::string_view filter_name;
};

/**
 * Turns one kind of configuration message into an HTTP filter, and another (or the same) into its settings for a route.
 * On main; the one list of all factories is in server/extensions. Messages were unpacked and have passed
 * config::validateMessage(). Mistakes go to `violations` with their path, and null is returned. What is returned dies on
 * main: event::ownedBy().
 */
class HttpFilterFactory {
 public:
  virtual ~HttpFilterFactory() = default;
  /** Full name of the filter's message, without the type URL's prefix: the only thing that selects a factory. */
  virtual absl::string_view messageName() const = 0;
  /** Of the message that typed_per_filter_config takes; empty where Envoy's filter has none. */
  virtual absl::string_view perRouteMessageName() const { return {}; }
  /** No filter may come after it, and the chain's last filter must be one: the router. */
  virtual bool isTerminal() const { return false; }

  virtual std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                               const config::FieldPath& path,
                                                               HttpFilterContext& context,
                                                               config::Violations& violations) const = 0;
  /** Only for a filter with a perRouteMessageName(). */
  virtual std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                                     const config::FieldPath& path,
                                                                     config::Violations& violations) const {
    static_cast<void>(message);
    violations.add(path, "the filter has no settings for routes");
    return nullptr;
  }
};

/** Every HTTP filter that connection managers may name. Owned by the server; outlives the listener manager. */
using HttpFilterFactories = std::vector<std::unique_ptr<HttpFilterFactory>>;

}  // namespace sluice::filters
