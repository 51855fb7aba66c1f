#include "source/filters/http/rbac.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"

#include "source/filters/common/rbac/enforcement.h"
#include "source/filters/http/pass_through.h"
#include "source/http/route.h"

namespace sluice::filters {
namespace {

using http::HeaderMap;
using http::HeadersStatus;
using PerRouteProto = envoy::extensions::filters::http::rbac::v3::RBACPerRoute;
using Proto = envoy::extensions::filters::http::rbac::v3::RBAC;

constexpr absl::string_view kName = "envoy.filters.http.rbac";

struct RbacPerRoute : http::PerRouteConfig {
  rbac::Rules rules;
};

/** Statistics are the chain's, also of what a route's rules decide. */
class RbacConfig : public http::HttpFilterConfig {
 public:
  RbacConfig(rbac::Rules rules, stats::ScopePtr scope, bool by_policy)
      : rules_(std::move(rules)),
        scope_(std::move(scope)),
        stats_(*scope_, rules_.stat_prefix, rules_.shadow_stat_prefix) {
    if (by_policy && rules_.enforced != nullptr) {
      for (const rbac::Policy& policy : rules_.enforced->policies()) {
        const std::string name = absl::StrCat("policy.", policy.name, ".");
        policy_stats_.emplace_back(scope_->counter(rbac::prefixed(rules_.stat_prefix, absl::StrCat(name, "allowed"))),
                                   scope_->counter(rbac::prefixed(rules_.stat_prefix, absl::StrCat(name, "denied"))));
      }
    }
  }
  void addTo(http::FilterChainBuilder& chain) const override;

  const rbac::Rules& rules() const { return rules_; }
  const rbac::Stats& stats() const { return stats_; }
  /** Of its own rules alone. */
  void countPolicy(const rbac::Verdict& verdict) const {
    if (verdict.policy.has_value() && *verdict.policy < policy_stats_.size()) {
      const auto& [allowed, denied] = policy_stats_[*verdict.policy];
      (verdict.allowed ? allowed : denied).inc();
    }
  }

 private:
  const rbac::Rules rules_;
  const stats::ScopePtr scope_;
  const rbac::Stats stats_;
  /** Allowed and denied, by policy. */
  std::vector<std::pair<stats::Counter, stats::Counter>> policy_stats_;
};

class RbacFilter final : public PassThroughDecoder {
 public:
  explicit RbacFilter(const RbacConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    const auto* route = static_cast<const RbacPerRoute*>(decoder_->perRouteConfig());
    const rbac::Rules& rules = route != nullptr ? route->rules : config_.rules();
    if (rules.enforced == nullptr && rules.shadow == nullptr) {
      return HeadersStatus::Continue;
    }
    http::StreamInfo& info = decoder_->streamInfo();
    const http::Route* matched = decoder_->route();
    const rbac::Query query{info, &headers, matched == nullptr ? nullptr : matched->metadata.get()};
    const rbac::Verdict verdict = rbac::enforce(rules, config_.stats(), kName, query, info);
    if (route == nullptr) {
      config_.countPolicy(verdict);
    }
    if (verdict.allowed) {
      return HeadersStatus::Continue;
    }
    http::LocalReply reply;
    reply.status = 403;
    reply.body = "RBAC: access denied";
    reply.details = decoder_->arena().copy(rbac::denialDetails(rules.enforced->policyName(verdict)));
    decoder_->sendLocalReply(reply);
    return HeadersStatus::StopIteration;
  }

 private:
  const RbacConfig& config_;
};

void RbacConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addDecoderFilter(*chain.arena().make<RbacFilter>(*this));
}

class RbacFactory : public HttpFilterFactory {
 public:
  RbacFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) : main_(main), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PerRouteProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    rbac::Rules rules = read(proto, path, violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<RbacConfig>(std::move(rules), context.scope->createScope("rbac"),
                                            proto.track_per_rule_stats()));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const PerRouteProto&>(message);
    auto made = std::make_shared<RbacPerRoute>();
    // Without rules the route is open to all.
    if (proto.has_rbac()) {
      made->rules = read(proto.rbac(), path.field("rbac"), violations);
    }
    return made;
  }

 private:
  rbac::Rules read(const Proto& proto, const config::FieldPath& path, config::Violations& violations) const {
    rbac::Rules rules;
    if (proto.has_rules()) {
      rules.enforced = rbac::readEngine(proto.rules(), false, runtime_, path.field("rules"), violations);
    }
    if (proto.has_shadow_rules()) {
      rules.shadow = rbac::readEngine(proto.shadow_rules(), false, runtime_, path.field("shadow_rules"), violations);
    }
    rules.stat_prefix = proto.rules_stat_prefix();
    rules.shadow_stat_prefix = proto.shadow_rules_stat_prefix();
    return rules;
  }

  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> httpRbacFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) {
  return std::make_unique<RbacFactory>(main, runtime);
}

}  // namespace sluice::filters
