#include "source/http/route_reader.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "source/config/type_registry.h"

namespace sluice::http {

namespace api = envoy::config::route::v3;

namespace {

constexpr absl::string_view kFilterConfig = "envoy.config.route.v3.FilterConfig";

template <class Proto>
std::optional<uint32_t> bodyLimit(const Proto& proto) {
  if (proto.has_request_body_buffer_limit()) {
    return static_cast<uint32_t>(std::min<uint64_t>(proto.request_body_buffer_limit().value(), UINT32_MAX));
  }
  if (proto.has_per_request_buffer_limit_bytes()) {
    return proto.per_request_buffer_limit_bytes().value();
  }
  return std::nullopt;
}

/** Whether routes that say nothing of their own get something from their host. */
bool hasPolicies(const api::VirtualHost& proto) {
  return proto.has_retry_policy() || proto.has_hedge_policy() || !proto.request_mirror_policies().empty();
}

}  // namespace

void RouteReader::readOverrides(const PerFilter& protos, const FieldPath& path, FilterOverrides& overrides) {
  for (const auto& [filter, any] : protos) {
    std::optional<FilterOverride> made = readOverride(filter, any, path.key(filter));
    if (made.has_value()) {
      overrides.emplace(filter, *std::move(made));
    }
  }
}

std::optional<FilterOverride> RouteReader::readOverride(const std::string& filter, const google::protobuf::Any& any,
                                                        const FieldPath& path) {
  FilterOverride made;
  const google::protobuf::Any* inner = &any;
  FieldPath inner_path = path;
  bool optional = false;
  api::FilterConfig wrapper;
  if (config::extensionTypeName(any) == kFilterConfig) {
    if (!config::unpackTo(any, wrapper, path, violations)) {
      return std::nullopt;
    }
    made.disabled = wrapper.disabled();
    optional = wrapper.is_optional();
    inner = &wrapper.config();
    inner_path = path.field("config");
    if (!wrapper.has_config()) {
      // Even one that says nothing switches a filter on that the chain has switched off.
      return made;
    }
  }
  const std::string type = config::extensionTypeName(*inner);
  if (!services_.per_route.has(type)) {
    if (!optional) {
      violations.add(inner_path, absl::StrCat("no filter takes '", type, "' as a route's settings"));
    }
    return optional && made.disabled ? std::optional<FilterOverride>(made) : std::nullopt;
  }
  const std::unique_ptr<google::protobuf::Message> message = config::unpackExtension(*inner, inner_path, violations);
  if (message == nullptr) {
    return std::nullopt;
  }
  made.config = services_.per_route.create(filter, *message, inner_path, violations);
  return made;
}

void RouteReader::readTable(const FieldPath& path, RouteTable& table) {
  const api::RouteConfiguration& proto = *message_;
  table.name = proto.name();
  readLevel(proto, PathStep(path.toString()), table.level);
  if (proto.has_metadata()) {
    table.level.metadata = std::make_shared<const envoy::config::core::v3::Metadata>(proto.metadata());
  }
  for (const std::string& header : proto.internal_only_headers()) {
    table.internal_only_headers.push_back(absl::AsciiStrToLower(header));
  }
  table.most_specific_header_mutations_wins = proto.most_specific_header_mutations_wins();
  table.ignore_port_in_host_matching = proto.ignore_port_in_host_matching();
  table.ignore_path_parameters_in_path_matching = proto.ignore_path_parameters_in_path_matching();
  if (proto.has_max_direct_response_body_size_bytes()) {
    table.max_direct_response_body_size_bytes = proto.max_direct_response_body_size_bytes().value();
  }
  table.vhost_header = absl::AsciiStrToLower(proto.vhost_header());
  table_mirrors_ = readMirrors(proto.request_mirror_policies(), path.field("request_mirror_policies"));
}

void RouteReader::readVirtualHost(const api::VirtualHost& proto, const FieldPath& path, RouteTable& table,
                                  RoutedHost& host) {
  host.name = proto.name();
  host.table = &table.level;
  host.most_specific_header_mutations_wins = table.most_specific_header_mutations_wins;
  const FieldPath domains = path.field("domains");
  for (int i = 0; i < proto.domains_size(); ++i) {
    const absl::Status status = table.addDomain(proto.domains(i), host);
    if (!status.ok()) {
      violations.add(domains.index(i), std::string(status.message()));
    }
  }
  readLevel(proto, PathStep(path.toString()), host);
  if (proto.has_metadata()) {
    host.metadata = std::make_shared<const envoy::config::core::v3::Metadata>(proto.metadata());
  }
  switch (proto.require_tls()) {
    case api::VirtualHost::EXTERNAL_ONLY:
      host.require_tls = VirtualHost::TlsRequirement::ExternalOnly;
      break;
    case api::VirtualHost::ALL:
      host.require_tls = VirtualHost::TlsRequirement::All;
      break;
    default:
      break;
  }
  host.include_request_attempt_count = proto.include_request_attempt_count();
  host.include_attempt_count_in_response = proto.include_attempt_count_in_response();
  host.include_is_timeout_retry_header = proto.include_is_timeout_retry_header();
  host.request_body_limit = bodyLimit(proto);
  if (!proto.virtual_clusters().empty()) {
    const std::string prefix = absl::StrCat("vhost.", proto.name(), ".vcluster.");
    const FieldPath list = path.field("virtual_clusters");
    for (int i = 0; i < proto.virtual_clusters_size(); ++i) {
      const auto& from = proto.virtual_clusters(i);
      if (from.headers().empty()) {
        violations.add(list.index(i).field("headers"), "is empty: nothing says which requests are meant");
      }
      host.virtual_clusters.push_back({from.name(), readHeaderMatchers(from.headers(), list.index(i).field("headers")),
                                       services_.request_stats->get(absl::StrCat(prefix, from.name()))});
    }
    host.other_cluster_stats = services_.request_stats->get(absl::StrCat(prefix, "other"));
  }
  if (hasPolicies(proto) || host_has_policies_) {
    forwards_.clear();
  }
  host_has_policies_ = hasPolicies(proto);
  host_retry_ = proto.has_retry_policy() ? readRetry(proto.retry_policy(), path.field("retry_policy")) : nullptr;
  host_mirrors_ = proto.request_mirror_policies().empty()
                      ? table_mirrors_
                      : readMirrors(proto.request_mirror_policies(), path.field("request_mirror_policies"));
  // Routes are pointed at: their place must not change.
  host.routes.reserve(static_cast<size_t>(proto.routes_size()));
  host.matches.reserve(static_cast<size_t>(proto.routes_size()));
}

void RouteReader::readRoute(const api::Route& proto, const PathStep& path, const api::VirtualHost& host_proto,
                            RoutedHost& host) {
  RouteMatch match = readMatch(proto.match(), PathStep(path, "match"));
  Route& route = host.routes.emplace_back();
  route.name = proto.name();
  route.virtual_host = &host;
  readLevel(proto, path, route);
  if (proto.has_metadata()) {
    route.metadata = std::make_shared<const envoy::config::core::v3::Metadata>(proto.metadata());
  }
  if (match.path.kind == PathMatch::Kind::Prefix || match.path.kind == PathMatch::Kind::SeparatedPrefix) {
    route.matched_prefix = match.path.text.size();
  }
  route.request_body_limit = bodyLimit(proto);
  route.decorator_operation = proto.decorator().operation();
  route.decorator_propagate = !proto.decorator().has_propagate() || proto.decorator().propagate().value();
  if (!proto.stat_prefix().empty()) {
    route.stats = services_.request_stats->get(absl::StrCat("vhost.", host.name, ".route.", proto.stat_prefix()));
  }
  switch (proto.action_case()) {
    case api::Route::kRoute: {
      const PathStep action(path, "route");
      if (proto.route().cluster_specifier_case() == api::RouteAction::kCluster) {
        route.cluster = proto.route().cluster();
        checkCluster(route.cluster, PathStep(action, "cluster"));
      }
      route.forward = sharedForward(proto.route(), action, host_proto);
      break;
    }
    case api::Route::kRedirect:
      route.kind = Route::Kind::Redirect;
      route.redirect = readRedirect(proto.redirect(), PathStep(path, "redirect").toFieldPath());
      break;
    case api::Route::kDirectResponse:
      route.kind = Route::Kind::Direct;
      route.direct = readDirect(proto.direct_response(), PathStep(path, "direct_response").toFieldPath());
      break;
    case api::Route::kNonForwardingAction:
      route.kind = Route::Kind::NonForwarding;
      break;
    default:
      violations.add(path.toString(), "needs a route, redirect, direct_response or non_forwarding_action");
      break;
  }
  host.matches.push_back(std::move(match));
}

}  // namespace sluice::http
