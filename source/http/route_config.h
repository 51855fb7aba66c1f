#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "envoy/config/route/v3/route.pb.h"
#include "google/protobuf/message.h"

#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/request_stats.h"
#include "source/http/route_table.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::http {

/** Makes the settings that routes have for filters (typed_per_filter_config). Main thread. */
class PerRouteConfigs {
 public:
  virtual ~PerRouteConfigs() = default;
  /** Whether some filter takes this message as a route's settings. */
  virtual bool has(absl::string_view message_name) const = 0;
  /** `message` has passed config::validateMessage(). Null, with a violation, when it is refused. */
  virtual std::shared_ptr<const PerRouteConfig> create(absl::string_view filter_name,
                                                       const google::protobuf::Message& message,
                                                       const config::FieldPath& path,
                                                       config::Violations& violations) const = 0;
};

/** What route tables are made with; all of it outlives their making. */
struct RouteServices {
  stats::ScopePtr root;
  /** vhost.<name>.*; null where no virtual hosts are read. */
  RequestStatsTable* request_stats;
  std::shared_ptr<const runtime::Snapshot> runtime;
  const access_log::OperatorTable& operators;
  const PerRouteConfigs& per_route;
  /** For validate_clusters. */
  std::function<bool(absl::string_view cluster)> has_cluster;
};

/**
 * Turns a RouteConfiguration, which has passed config::validateMessage(), into a table. All mistakes are found. Main
 * thread; step() does a route's worth of work, so that whoever drives it may stop in between.
 */
class RouteTableBuilder {
 public:
  using RouteConfiguration = envoy::config::route::v3::RouteConfiguration;

  /** The table keeps `message`, whose metadata it shares. `validate_clusters` counts where the message says nothing. */
  RouteTableBuilder(std::shared_ptr<const RouteConfiguration> message, const config::FieldPath& path,
                    const RouteServices& services, bool validate_clusters);
  ~RouteTableBuilder();

  /** False once all is done. */
  bool step();
  /** After step() returned false. Null if there are violations, which are appended. */
  std::unique_ptr<RouteTable> take(config::Violations& violations);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

/** All of it at once. */
std::unique_ptr<RouteTable> buildRouteTable(std::shared_ptr<const envoy::config::route::v3::RouteConfiguration> message,
                                            const config::FieldPath& path, const RouteServices& services,
                                            bool validate_clusters, config::Violations& violations);

}  // namespace sluice::http
