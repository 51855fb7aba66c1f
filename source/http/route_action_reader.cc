#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "source/config/data_source.h"
#include "source/config/duration.h"
#include "source/config/wire.h"
#include "source/http/route_reader.h"
#include "source/runtime/values.h"

namespace sluice::http {

namespace api = envoy::config::route::v3;
using std::chrono::milliseconds;

namespace {

std::optional<milliseconds> optionalMs(bool has, const google::protobuf::Duration& duration) {
  if (!has) {
    return std::nullopt;
  }
  return milliseconds(config::toMilliseconds(duration));
}

uint32_t redirectCode(api::RedirectAction::RedirectResponseCode code) {
  switch (code) {
    case api::RedirectAction::FOUND:
      return 302;
    case api::RedirectAction::SEE_OTHER:
      return 303;
    case api::RedirectAction::TEMPORARY_REDIRECT:
      return 307;
    case api::RedirectAction::PERMANENT_REDIRECT:
      return 308;
    default:
      return 301;
  }
}

}  // namespace

void RouteReader::checkCluster(const std::string& name, const PathStep& path) {
  if (validate_clusters_ && !services_.has_cluster(name)) {
    violations.add(path.toString(), absl::StrCat("there is no cluster '", name, "' (unknown cluster)"));
  }
}

std::optional<RegexRewrite> RouteReader::readRegexRewrite(
    const envoy::type::matcher::v3::RegexMatchAndSubstitute& proto, const FieldPath& path) {
  RegexRewrite rewrite;
  rewrite.regex = matcher::toRegex(proto.pattern(), limit_, path.field("pattern"), violations);
  rewrite.substitution = proto.substitution();
  std::string error;
  if (rewrite.regex != nullptr && !rewrite.regex->CheckRewriteString(rewrite.substitution, &error)) {
    violations.add(path.field("substitution"), std::move(error));
  }
  return rewrite;
}

std::vector<MirrorPolicy> RouteReader::readMirrors(const List<api::RouteAction::RequestMirrorPolicy>& protos,
                                                   const FieldPath& path) {
  std::vector<MirrorPolicy> policies;
  for (int i = 0; i < protos.size(); ++i) {
    const auto& proto = protos[i];
    MirrorPolicy policy;
    policy.cluster = proto.cluster();
    policy.cluster_header = absl::AsciiStrToLower(proto.cluster_header());
    if (policy.cluster.empty() == policy.cluster_header.empty()) {
      violations.add(path.index(i), "needs either cluster or cluster_header");
    } else if (!policy.cluster.empty()) {
      checkCluster(policy.cluster, PathStep(path.index(i).field("cluster").toString()));
    }
    if (proto.has_runtime_fraction()) {
      const runtime::Fraction share = runtime::resolve(proto.runtime_fraction(), *services_.runtime);
      policy.share = static_cast<uint32_t>(
          std::min<uint64_t>(uint64_t{share.numerator} * (1'000'000 / share.denominator), 1'000'000));
      policy.runtime_key = proto.runtime_fraction().runtime_key();
    }
    policy.append_shadow_to_host = !proto.disable_shadow_host_suffix_append();
    policies.push_back(std::move(policy));
  }
  return policies;
}

void RouteReader::readWeighted(const api::WeightedCluster& proto, const FieldPath& path, ForwardAction& action) {
  if (proto.random_value_specifier_case() == api::WeightedCluster::kHeaderName) {
    action.random_value_header = absl::AsciiStrToLower(proto.header_name());
  }
  const FieldPath clusters = path.field("clusters");
  action.weighted.reserve(static_cast<size_t>(proto.clusters_size()));
  for (int i = 0; i < proto.clusters_size(); ++i) {
    const auto& from = proto.clusters(i);
    WeightedCluster cluster;
    cluster.name = from.name();
    cluster.header = absl::AsciiStrToLower(from.cluster_header());
    if (cluster.name.empty() == cluster.header.empty()) {
      violations.add(clusters.index(i), "needs either name or cluster_header");
    } else if (!cluster.name.empty()) {
      checkCluster(cluster.name, PathStep(clusters.index(i).field("name").toString()));
    }
    cluster.weight = from.weight().value();
    if (!proto.runtime_key_prefix().empty()) {
      const std::string key = absl::StrCat(proto.runtime_key_prefix(), ".", from.name());
      cluster.weight =
          static_cast<uint32_t>(std::min<uint64_t>(services_.runtime->getInteger(key, cluster.weight), UINT32_MAX));
    }
    if (!from.host_rewrite_literal().empty()) {
      cluster.host_rewrite = from.host_rewrite_literal();
    }
    readLevel(from, PathStep(clusters.index(i).toString()), cluster);
    if (from.has_metadata_match()) {
      cluster.metadata = std::make_shared<const envoy::config::core::v3::Metadata>(from.metadata_match());
    }
    action.total_weight += cluster.weight;
    action.weighted.push_back(std::move(cluster));
  }
  if (action.total_weight == 0) {
    violations.add(clusters, "have no weight: their sum must be at least 1");
  } else if (action.total_weight > UINT32_MAX) {
    violations.add(clusters, absl::StrCat("weigh ", action.total_weight, " together, more than ", UINT32_MAX));
  }
}

void RouteReader::readCluster(const api::RouteAction& proto, const FieldPath& path, ForwardAction& action) {
  switch (proto.cluster_specifier_case()) {
    case api::RouteAction::kCluster:
      // readRoute() takes it, and asks.
      break;
    case api::RouteAction::kClusterHeader:
      action.cluster_header = absl::AsciiStrToLower(proto.cluster_header());
      break;
    case api::RouteAction::kWeightedClusters:
      readWeighted(proto.weighted_clusters(), path.field("weighted_clusters"), action);
      break;
    default:
      violations.add(path, "needs a cluster, cluster_header or weighted_clusters");
      break;
  }
  switch (proto.cluster_not_found_response_code()) {
    case api::RouteAction::NOT_FOUND:
      action.cluster_not_found_code = 404;
      break;
    case api::RouteAction::INTERNAL_SERVER_ERROR:
      action.cluster_not_found_code = 500;
      break;
    default:
      action.cluster_not_found_code = 503;
      break;
  }
}

void RouteReader::readHostRewrite(const api::RouteAction& proto, const FieldPath& path, ForwardAction& action) {
  switch (proto.host_rewrite_specifier_case()) {
    case api::RouteAction::kHostRewriteLiteral:
      if (!proto.host_rewrite_literal().empty()) {
        action.host_rewrite = proto.host_rewrite_literal();
      }
      break;
    case api::RouteAction::kAutoHostRewrite:
      action.auto_host_rewrite = proto.auto_host_rewrite().value();
      break;
    case api::RouteAction::kHostRewriteHeader:
      action.host_rewrite_header = absl::AsciiStrToLower(proto.host_rewrite_header());
      break;
    case api::RouteAction::kHostRewritePathRegex:
      action.host_rewrite_path_regex =
          readRegexRewrite(proto.host_rewrite_path_regex(), path.field("host_rewrite_path_regex"));
      break;
    default:
      break;
  }
  action.append_x_forwarded_host = proto.append_x_forwarded_host();
}

void RouteReader::readHash(const api::RouteAction& proto, const FieldPath& path, ForwardAction& action) {
  const FieldPath list = path.field("hash_policy");
  for (int i = 0; i < proto.hash_policy_size(); ++i) {
    const auto& from = proto.hash_policy(i);
    HashPolicy policy;
    policy.terminal = from.terminal();
    switch (from.policy_specifier_case()) {
      case api::RouteAction::HashPolicy::kHeader:
        policy.key = absl::AsciiStrToLower(from.header().header_name());
        if (from.header().has_regex_rewrite()) {
          policy.header_rewrite =
              readRegexRewrite(from.header().regex_rewrite(), list.index(i).field("header").field("regex_rewrite"));
        }
        break;
      case api::RouteAction::HashPolicy::kCookie:
        policy.kind = HashPolicy::Kind::Cookie;
        policy.key = from.cookie().name();
        policy.cookie_path = from.cookie().path();
        if (from.cookie().has_ttl()) {
          policy.cookie_ttl = std::chrono::seconds(from.cookie().ttl().seconds());
        }
        break;
      case api::RouteAction::HashPolicy::kConnectionProperties:
        policy.kind = HashPolicy::Kind::SourceIp;
        if (!from.connection_properties().source_ip()) {
          continue;
        }
        break;
      case api::RouteAction::HashPolicy::kQueryParameter:
        policy.kind = HashPolicy::Kind::QueryParameter;
        policy.key = from.query_parameter().name();
        break;
      case api::RouteAction::HashPolicy::kFilterState:
        policy.kind = HashPolicy::Kind::FilterState;
        policy.key = from.filter_state().key();
        break;
      case api::RouteAction::HashPolicy::POLICY_SPECIFIER_NOT_SET:
        violations.add(list.index(i), "says nothing to hash");
        break;
    }
    action.hash.push_back(std::move(policy));
  }
}

void RouteReader::readUpgrades(const api::RouteAction& proto, const FieldPath& path, ForwardAction& action) {
  const FieldPath list = path.field("upgrade_configs");
  for (int i = 0; i < proto.upgrade_configs_size(); ++i) {
    const auto& from = proto.upgrade_configs(i);
    UpgradeRule rule;
    rule.type = absl::AsciiStrToLower(from.upgrade_type());
    rule.enabled = !from.has_enabled() || from.enabled().value();
    if (from.has_connect_config()) {
      rule.terminate_connect = true;
      rule.allow_post = from.connect_config().allow_post();
      if (rule.type != "connect") {
        violations.add(list.index(i).field("connect_config"), "is for the upgrade type CONNECT alone");
      }
    }
    if (std::any_of(action.upgrades.begin(), action.upgrades.end(),
                    [&](const UpgradeRule& other) { return other.type == rule.type; })) {
      violations.add(list.index(i), absl::StrCat("the upgrade type '", from.upgrade_type(), "' is there twice"));
    }
    action.upgrades.push_back(std::move(rule));
  }
}

std::shared_ptr<const ForwardAction> RouteReader::sharedForward(const api::RouteAction& proto, const PathStep& step,
                                                                const api::VirtualHost& host) {
  proto.SerializeToString(&forward_bytes_);
  std::string& key = forward_key_;
  key.clear();
  config::WireReader fields(forward_bytes_);
  for (config::WireRun field; fields.nextRun(field);) {
    // Of the cluster's name only that there is one.
    key.append(field.whole.data(), field.number == api::RouteAction::kClusterFieldNumber ? 1 : field.whole.size());
  }
  if (const auto known = forwards_.find(key); known != forwards_.end()) {
    return known->second;
  }
  const size_t mistakes = violations.list().size();
  auto action = std::make_shared<ForwardAction>();
  readForward(proto, step.toFieldPath(), host, *action);
  if (violations.list().size() == mistakes) {
    forwards_.emplace(key, action);
  }
  return action;
}

void RouteReader::readForward(const api::RouteAction& proto, const FieldPath& path, const api::VirtualHost& host,
                              ForwardAction& action) {
  readCluster(proto, path, action);
  if (!proto.prefix_rewrite().empty() && proto.has_regex_rewrite()) {
    violations.add(path, "has both prefix_rewrite and regex_rewrite: only one may be set");
  }
  if (!proto.prefix_rewrite().empty()) {
    action.path_rewrite.prefix = proto.prefix_rewrite();
  }
  if (proto.has_regex_rewrite()) {
    action.path_rewrite.regex = readRegexRewrite(proto.regex_rewrite(), path.field("regex_rewrite"));
  }
  readHostRewrite(proto, path, action);

  action.timeout = milliseconds(config::durationOr(proto.has_timeout(), proto.timeout(), 15000));
  action.idle_timeout = optionalMs(proto.has_idle_timeout(), proto.idle_timeout());
  const auto& duration = proto.max_stream_duration();
  action.max_stream_duration = optionalMs(duration.has_max_stream_duration(), duration.max_stream_duration());
  action.grpc_timeout_header_max =
      optionalMs(duration.has_grpc_timeout_header_max(), duration.grpc_timeout_header_max());
  action.has_grpc_timeout_header_max = duration.has_grpc_timeout_header_max();
  action.grpc_timeout_header_offset =
      optionalMs(duration.has_grpc_timeout_header_offset(), duration.grpc_timeout_header_offset());
  action.max_grpc_timeout = optionalMs(proto.has_max_grpc_timeout(), proto.max_grpc_timeout());
  action.grpc_timeout_offset = optionalMs(proto.has_grpc_timeout_offset(), proto.grpc_timeout_offset());

  if (proto.has_retry_policy()) {
    action.retry = readRetry(proto.retry_policy(), path.field("retry_policy"));
  } else {
    action.retry = host_retry_;
  }
  if (proto.has_hedge_policy()) {
    action.hedge = readHedge(proto.hedge_policy());
  } else if (host.has_hedge_policy()) {
    action.hedge = readHedge(host.hedge_policy());
  }
  readHash(proto, path, action);
  action.mirrors = proto.request_mirror_policies().empty()
                       ? host_mirrors_
                       : readMirrors(proto.request_mirror_policies(), path.field("request_mirror_policies"));
  action.high_priority = proto.priority() == envoy::config::core::v3::HIGH;
  if (proto.has_internal_redirect_policy()) {
    action.internal_redirect =
        readInternalRedirect(proto.internal_redirect_policy(), path.field("internal_redirect_policy"));
  } else if (proto.internal_redirect_action() == api::RouteAction::HANDLE_INTERNAL_REDIRECT) {
    action.internal_redirect.emplace();
    action.internal_redirect->response_codes = {302};
    if (proto.has_max_internal_redirects()) {
      action.internal_redirect->max_redirects = proto.max_internal_redirects().value();
    }
  }
  readUpgrades(proto, path, action);
  if (proto.has_metadata_match()) {
    action.metadata_match = std::make_shared<const envoy::config::core::v3::Metadata>(proto.metadata_match());
  }
}

std::unique_ptr<const RedirectAction> RouteReader::readRedirect(const api::RedirectAction& proto,
                                                                const FieldPath& path) {
  auto action = std::make_unique<RedirectAction>();
  if (!proto.scheme_redirect().empty()) {
    action->scheme = proto.scheme_redirect();
  }
  action->https = proto.https_redirect();
  if (!proto.host_redirect().empty()) {
    action->host = proto.host_redirect();
  }
  if (proto.port_redirect() != 0) {
    action->port = proto.port_redirect();
  }
  if (!proto.path_redirect().empty()) {
    action->path.path = proto.path_redirect();
  }
  if (!proto.prefix_rewrite().empty()) {
    action->path.prefix = proto.prefix_rewrite();
  }
  if (proto.has_regex_rewrite()) {
    action->path.regex = readRegexRewrite(proto.regex_rewrite(), path.field("regex_rewrite"));
  }
  action->code = redirectCode(proto.response_code());
  action->strip_query = proto.strip_query();
  return action;
}

std::unique_ptr<const DirectAction> RouteReader::readDirect(const api::DirectResponseAction& proto,
                                                            const FieldPath& path) {
  auto action = std::make_unique<DirectAction>();
  action->status = proto.status();
  auto body = std::make_shared<std::string>();
  if (proto.has_body()) {
    std::optional<std::string> text = config::readDataSource(proto.body(), path.field("body"), violations);
    if (text.has_value() && text->size() > table_.max_direct_response_body_size_bytes) {
      violations.add(path.field("body"), absl::StrCat("has ", text->size(), " bytes, more than the ",
                                                      table_.max_direct_response_body_size_bytes,
                                                      " that max_direct_response_body_size_bytes allows"));
    }
    *body = std::move(text).value_or("");
  }
  action->body = std::move(body);
  return action;
}

}  // namespace sluice::http
