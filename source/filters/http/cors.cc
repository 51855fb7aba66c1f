#include "source/filters/http/cors.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"

#include "source/filters/common/drawn.h"
#include "source/filters/http/pass_through.h"
#include "source/http/route.h"
#include "source/matcher/config.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using Proto = envoy::extensions::filters::http::cors::v3::Cors;
using PolicyProto = envoy::extensions::filters::http::cors::v3::CorsPolicy;

/** What is unset is the less specific policy's to say. */
struct CorsPolicy : http::PerRouteConfig {
  std::vector<matcher::StringMatcher> allow_origin;
  std::string allow_methods;
  std::string allow_headers;
  std::string expose_headers;
  std::string max_age;
  std::optional<bool> allow_credentials;
  std::optional<bool> allow_private_network;
  std::optional<bool> forward_not_matching_preflights;
  runtime::Fraction enabled{100, 100};
  runtime::Fraction shadow{0, 100};
};

struct CorsStats {
  explicit CorsStats(stats::Scope& scope)
      : origin_valid(scope.counter("origin_valid")), origin_invalid(scope.counter("origin_invalid")) {}
  stats::Counter origin_valid;
  stats::Counter origin_invalid;
};

class CorsFilter final : public PassThroughFilter {
 public:
  explicit CorsFilter(const CorsStats& stats) : stats_(stats) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    const absl::string_view origin = headers.get(HeaderId::Origin);
    if (origin.empty()) {
      return HeadersStatus::Continue;
    }
    // As in Envoy, policies are for requests that are forwarded.
    const http::Route* route = decoder_->route();
    if (route == nullptr || route->kind != http::Route::Kind::Forward) {
      return HeadersStatus::Continue;
    }
    decoder_->forEachPerRouteConfig([this](const http::PerRouteConfig& config) {
      policies_.insert(policies_.begin(), static_cast<const CorsPolicy*>(&config));
    });
    if (policies_.empty()) {
      return HeadersStatus::Continue;
    }
    const bool enabled = drawn(policies_.front()->enabled);
    if (!enabled && !drawn(policies_.front()->shadow)) {
      return HeadersStatus::Continue;
    }
    const bool preflight =
        headers.get(HeaderId::Method) == "OPTIONS" && !headers.get(HeaderId::AccessControlRequestMethod).empty();
    if (!allowed(origin)) {
      stats_.origin_invalid.inc();
      if (enabled && preflight && !flag(&CorsPolicy::forward_not_matching_preflights, true)) {
        answerPreflight(headers);
        return HeadersStatus::StopIteration;
      }
      return HeadersStatus::Continue;
    }
    stats_.origin_valid.inc();
    if (!enabled) {
      return HeadersStatus::Continue;
    }
    origin_ = origin;
    if (!preflight) {
      return HeadersStatus::Continue;
    }
    answerPreflight(headers);
    return HeadersStatus::StopIteration;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool) override {
    if (!origin_.empty()) {
      headers.set(HeaderId::AccessControlAllowOrigin, origin_);
      if (flag(&CorsPolicy::allow_credentials, false)) {
        headers.setView(HeaderId::AccessControlAllowCredentials, "true");
      }
      if (const absl::string_view expose = text(&CorsPolicy::expose_headers); !expose.empty()) {
        headers.set(HeaderId::AccessControlExposeHeaders, expose);
      }
    }
    return HeadersStatus::Continue;
  }

 private:
  /** To an origin that is not allowed it says all but that it is. */
  void answerPreflight(const HeaderMap& request) {
    auto& response = *decoder_->arena().make<HeaderMap>(decoder_->arena());
    response.addView(HeaderId::Status, "200");
    addIf(response, HeaderId::AccessControlAllowOrigin, origin_);
    if (flag(&CorsPolicy::allow_credentials, false)) {
      response.addView(HeaderId::AccessControlAllowCredentials, "true");
    }
    addIf(response, HeaderId::AccessControlAllowMethods, text(&CorsPolicy::allow_methods));
    addIf(response, HeaderId::AccessControlAllowHeaders, text(&CorsPolicy::allow_headers));
    addIf(response, HeaderId::AccessControlMaxAge, text(&CorsPolicy::max_age));
    if (flag(&CorsPolicy::allow_private_network, false) &&
        request.get(HeaderId::AccessControlRequestPrivateNetwork) == "true") {
      response.addView(HeaderId::AccessControlAllowPrivateNetwork, "true");
    }
    decoder_->encodeHeaders(response, true, "cors_response");
  }

  static void addIf(HeaderMap& headers, HeaderId id, absl::string_view value) {
    if (!value.empty()) {
      headers.add(id, value);
    }
  }

  bool allowed(absl::string_view origin) const {
    for (const CorsPolicy* policy : policies_) {
      if (policy->allow_origin.empty()) {
        continue;
      }
      return std::any_of(policy->allow_origin.begin(), policy->allow_origin.end(), [&](const auto& matcher) {
        return (matcher.kind == matcher::StringMatcher::Kind::Exact && matcher.text == "*") || matcher.matches(origin);
      });
    }
    return false;
  }

  absl::string_view text(std::string CorsPolicy::*field) const {
    for (const CorsPolicy* policy : policies_) {
      if (!(policy->*field).empty()) {
        return policy->*field;
      }
    }
    return {};
  }

  bool flag(std::optional<bool> CorsPolicy::*field, bool fallback) const {
    for (const CorsPolicy* policy : policies_) {
      if ((policy->*field).has_value()) {
        return *(policy->*field);
      }
    }
    return fallback;
  }

  const CorsStats& stats_;
  /** From the most specific on. */
  absl::InlinedVector<const CorsPolicy*, 4> policies_;
  /** Of a request whose answer is to be marked; else empty. */
  absl::string_view origin_;
};

class CorsConfig : public http::HttpFilterConfig {
 public:
  explicit CorsConfig(stats::ScopePtr scope) : scope_(std::move(scope)), stats_(*scope_) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addFilter(*chain.arena().make<CorsFilter>(stats_));
  }

 private:
  const stats::ScopePtr scope_;
  const CorsStats stats_;
};

class CorsFactory : public HttpFilterFactory {
 public:
  CorsFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) : main_(main), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PolicyProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                       HttpFilterContext& context, config::Violations&) const override {
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<CorsConfig>(context.scope->createScope("cors")));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const PolicyProto&>(message);
    auto policy = std::make_shared<CorsPolicy>();
    for (int i = 0; i < proto.allow_origin_string_match_size(); ++i) {
      policy->allow_origin.push_back(
          matcher::toStringMatcher(proto.allow_origin_string_match(i), matcher::RegexLimit::of(runtime_),
                                   path.field("allow_origin_string_match").index(i), violations));
    }
    policy->allow_methods = proto.allow_methods();
    policy->allow_headers = proto.allow_headers();
    policy->expose_headers = proto.expose_headers();
    policy->max_age = proto.max_age();
    policy->allow_credentials = optional(proto.has_allow_credentials(), proto.allow_credentials());
    policy->allow_private_network =
        optional(proto.has_allow_private_network_access(), proto.allow_private_network_access());
    policy->forward_not_matching_preflights =
        optional(proto.has_forward_not_matching_preflights(), proto.forward_not_matching_preflights());
    if (proto.has_filter_enabled()) {
      policy->enabled = runtime::resolve(proto.filter_enabled(), runtime_);
    }
    if (proto.has_shadow_enabled()) {
      policy->shadow = runtime::resolve(proto.shadow_enabled(), runtime_);
    }
    return policy;
  }

 private:
  static std::optional<bool> optional(bool has, const google::protobuf::BoolValue& value) {
    return has ? std::optional(value.value()) : std::nullopt;
  }

  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> corsFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) {
  return std::make_unique<CorsFactory>(main, runtime);
}

}  // namespace sluice::filters
