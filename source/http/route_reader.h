#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "google/protobuf/map.h"
#include <re2/re2.h>

#include "source/http/header_mutations.h"
#include "source/http/route_config.h"
#include "source/matcher/config.h"

namespace sluice::http {

/** Reads the parts of one RouteConfiguration. Main thread; lives as long as its builder. */
class RouteReader {
 public:
  using FieldPath = config::FieldPath;
  using PathStep = config::PathStep;
  template <class T>
  using List = google::protobuf::RepeatedPtrField<T>;

  RouteReader(std::shared_ptr<const envoy::config::route::v3::RouteConfiguration> message,
              const RouteServices& services, bool validate_clusters, const RouteTable& table)
      : message_(std::move(message)),
        services_(services),
        limit_(matcher::RegexLimit::of(*services.runtime)),
        validate_clusters_(validate_clusters),
        table_(table) {}

  config::Violations violations;

  // route_match_reader.cc
  RouteMatch readMatch(const envoy::config::route::v3::RouteMatch& proto, const PathStep& path);
  std::vector<std::shared_ptr<const HeaderMatcher>> readHeaderMatchers(
      const List<envoy::config::route::v3::HeaderMatcher>& protos, const FieldPath& path);

  // route_reader.cc
  /** All but the virtual hosts. */
  void readTable(const FieldPath& path, RouteTable& table);
  /** All but the routes, which are read next, in their order. */
  void readVirtualHost(const envoy::config::route::v3::VirtualHost& proto, const FieldPath& path, RouteTable& table,
                       RoutedHost& host);
  void readRoute(const envoy::config::route::v3::Route& proto, const PathStep& path,
                 const envoy::config::route::v3::VirtualHost& host_proto, RoutedHost& host);
  /** What routes, hosts, tables and weighted clusters have in common, and most do not use. */
  template <class Proto>
  void readLevel(const Proto& proto, const PathStep& step, RouteLevel& level) {
    if (proto.request_headers_to_add().empty() && proto.request_headers_to_remove().empty() &&
        proto.response_headers_to_add().empty() && proto.response_headers_to_remove().empty() &&
        proto.typed_per_filter_config().empty()) {
      return;
    }
    const FieldPath path = step.toFieldPath();
    level.request_headers = HeaderMutations::create(proto.request_headers_to_add(), proto.request_headers_to_remove(),
                                                    "request", services_.operators, path, violations);
    level.response_headers =
        HeaderMutations::create(proto.response_headers_to_add(), proto.response_headers_to_remove(), "response",
                                services_.operators, path, violations);
    readOverrides(proto.typed_per_filter_config(), path.field("typed_per_filter_config"), level.overrides);
  }

  // route_action_reader.cc
  /** All but the name of the cluster, if that is what the action gives. */
  std::shared_ptr<const ForwardAction> sharedForward(const envoy::config::route::v3::RouteAction& proto,
                                                     const PathStep& path,
                                                     const envoy::config::route::v3::VirtualHost& host);
  std::unique_ptr<const RedirectAction> readRedirect(const envoy::config::route::v3::RedirectAction& proto,
                                                     const FieldPath& path);
  std::unique_ptr<const DirectAction> readDirect(const envoy::config::route::v3::DirectResponseAction& proto,
                                                 const FieldPath& path);

  // retry_policy_reader.cc
  std::shared_ptr<const RetryPolicy> readRetry(const envoy::config::route::v3::RetryPolicy& proto,
                                               const FieldPath& path);
  static HedgePolicy readHedge(const envoy::config::route::v3::HedgePolicy& proto);
  InternalRedirectPolicy readInternalRedirect(const envoy::config::route::v3::InternalRedirectPolicy& proto,
                                              const FieldPath& path);

 private:
  using PerFilter = google::protobuf::Map<std::string, google::protobuf::Any>;
  void readOverrides(const PerFilter& protos, const FieldPath& path, FilterOverrides& overrides);
  std::optional<FilterOverride> readOverride(const std::string& filter, const google::protobuf::Any& any,
                                             const FieldPath& path);
  void readForward(const envoy::config::route::v3::RouteAction& proto, const FieldPath& path,
                   const envoy::config::route::v3::VirtualHost& host, ForwardAction& action);
  void readHash(const envoy::config::route::v3::RouteAction& proto, const FieldPath& path, ForwardAction& action);
  void readCluster(const envoy::config::route::v3::RouteAction& proto, const FieldPath& path, ForwardAction& action);
  void readWeighted(const envoy::config::route::v3::WeightedCluster& proto, const FieldPath& path,
                    ForwardAction& action);
  void readHostRewrite(const envoy::config::route::v3::RouteAction& proto, const FieldPath& path,
                       ForwardAction& action);
  void readUpgrades(const envoy::config::route::v3::RouteAction& proto, const FieldPath& path, ForwardAction& action);
  std::vector<MirrorPolicy> readMirrors(const List<envoy::config::route::v3::RouteAction::RequestMirrorPolicy>& protos,
                                        const FieldPath& path);
  std::optional<RegexRewrite> readRegexRewrite(const envoy::type::matcher::v3::RegexMatchAndSubstitute& proto,
                                               const FieldPath& path);
  void checkCluster(const std::string& name, const PathStep& path);
  const std::shared_ptr<const envoy::config::route::v3::RouteConfiguration> message_;
  const RouteServices& services_;
  const matcher::RegexLimit limit_;
  const bool validate_clusters_;
  const RouteTable& table_;
  // What routes have that say nothing of their own.
  std::vector<MirrorPolicy> table_mirrors_;
  std::vector<MirrorPolicy> host_mirrors_;
  std::shared_ptr<const RetryPolicy> host_retry_;
  bool host_has_policies_ = false;
  /** By what the message says beside the cluster's name: of all hosts without policies of their own, or of one with. */
  absl::flat_hash_map<std::string, std::shared_ptr<const ForwardAction>> forwards_;
  // Of one look-up there, for their capacity.
  std::string forward_bytes_;
  std::string forward_key_;
};

}  // namespace sluice::http
