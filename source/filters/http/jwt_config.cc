// JwtAuthentication messages to plain data.

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"

#include "source/config/data_source.h"
#include "source/config/duration.h"
#include "source/filters/http/jwt_authn.h"
#include "source/filters/http/service_filters.h"
#include "source/http/route_reader.h"
#include "source/matcher/config.h"

namespace sluice::filters {
namespace {

namespace api = envoy::extensions::filters::http::jwt_authn::v3;
using config::FieldPath;

/** Envoy's, where a provider names no place. */
constexpr absl::string_view kDefaultParam = "access_token";

/** Rules have no settings for filters. */
class NoPerRouteConfigs : public http::PerRouteConfigs {
 public:
  bool has(absl::string_view) const override { return false; }
  std::shared_ptr<const http::PerRouteConfig> create(absl::string_view, const google::protobuf::Message&,
                                                     const FieldPath&, config::Violations&) const override {
    return nullptr;
  }
};

/** Reads one message. On main; lives during a call. */
class JwtReader {
 public:
  JwtReader(const ServiceFilterContext& context, xds::InitManager& init, const JwtAuthnStats& stats,
            config::Violations& violations)
      : context_(context), init_(init), stats_(stats), violations_(violations) {}

  JwtAuthnSettings read(const api::JwtAuthentication& proto, const FieldPath& path) {
    out_.bypass_cors_preflight = proto.bypass_cors_preflight();
    out_.strip_failure_response = proto.strip_failure_response();
    for (const auto& [name, provider] : proto.providers()) {
      out_.providers.emplace(name, readProvider(name, provider, path.field("providers").key(name)));
    }
    for (const auto& [name, provider] : out_.providers) {
      all_.push_back(provider.get());
    }
    for (const auto& [name, requirement] : proto.requirement_map()) {
      out_.named.emplace(name, readTop(requirement, path.field("requirement_map").key(name)));
    }
    const FieldPath rules = path.field("rules");
    for (int i = 0; i < proto.rules_size(); ++i) {
      readRule(proto.rules(i), rules.index(static_cast<size_t>(i)));
    }
    if (proto.has_filter_state_rules()) {
      out_.state_name = proto.filter_state_rules().name();
      for (const auto& [value, requirement] : proto.filter_state_rules().requires_()) {
        out_.by_state.emplace(value,
                              readTop(requirement, path.field("filter_state_rules").field("requires").key(value)));
      }
    }
    return std::move(out_);
  }

 private:
  matcher::RegexLimit limit() const { return matcher::RegexLimit::of(context_.tools.runtime); }

  std::unique_ptr<const JwtProvider> readProvider(const std::string& name, const api::JwtProvider& proto,
                                                  const FieldPath& path) {
    auto out = std::make_unique<JwtProvider>();
    out->name = name;
    out->issuer = proto.issuer();
    out->audiences.assign(proto.audiences().begin(), proto.audiences().end());
    if (proto.has_subjects()) {
      out->subjects = matcher::toStringMatcher(proto.subjects(), limit(), path.field("subjects"), violations_);
    }
    out->require_expiration = proto.require_expiration();
    if (proto.has_max_lifetime()) {
      out->max_lifetime = std::chrono::seconds(proto.max_lifetime().seconds());
    }
    out->clock_skew = proto.clock_skew_seconds() != 0 ? proto.clock_skew_seconds() : 60;
    readKeys(proto, path, *out);
    readPlaces(proto, *out);
    out->forward = proto.forward();
    out->forward_payload_header = absl::AsciiStrToLower(proto.forward_payload_header());
    out->pad_payload = proto.pad_forward_payload_header();
    out->payload_in_metadata = proto.payload_in_metadata();
    out->header_in_metadata = proto.header_in_metadata();
    out->failed_status_in_metadata = proto.failed_status_in_metadata();
    const auto& normalize = proto.normalize_payload_in_metadata();
    out->space_delimited_claims.assign(normalize.space_delimited_claims().begin(),
                                       normalize.space_delimited_claims().end());
    out->clear_route_cache = proto.clear_route_cache();
    if (!out->forward_payload_header.empty()) {
      out_.own_headers.push_back(out->forward_payload_header);
    }
    for (const auto& claim : proto.claim_to_headers()) {
      const std::string header = absl::AsciiStrToLower(claim.header_name());
      out->claims.push_back({header, absl::StrSplit(claim.claim_name(), '.')});
      out_.own_headers.push_back(header);
    }
    return out;
  }

  void readKeys(const api::JwtProvider& proto, const FieldPath& path, JwtProvider& out) {
    if (proto.has_remote_jwks()) {
      readRemote(proto.remote_jwks(), path.field("remote_jwks"), out);
      return;
    }
    if (!proto.has_local_jwks()) {
      violations_.add(path, "needs a remote_jwks or a local_jwks");
      return;
    }
    const FieldPath local = path.field("local_jwks");
    const std::optional<std::string> text = config::readDataSource(proto.local_jwks(), local, violations_);
    if (!text.has_value()) {
      return;
    }
    out.local_keys = JwtKeys::parse(*text, out.local_status);
    if (out.local_keys == nullptr) {
      violations_.add(local, std::string(jwtStatusText(out.local_status)));
    }
  }

  void readRemote(const api::RemoteJwks& proto, const FieldPath& path, JwtProvider& out) {
    const size_t mistakes = violations_.size();
    JwtRemoteSettings settings;
    const FieldPath uri = path.field("http_uri");
    settings.cluster = proto.http_uri().cluster();
    if (settings.cluster.empty()) {
      violations_.add(uri.field("cluster"), "must name a cluster");
    }
    settings.timeout = std::chrono::milliseconds(config::toMilliseconds(proto.http_uri().timeout()));
    if (settings.timeout.count() <= 0) {
      violations_.add(uri.field("timeout"), "must be longer than zero");
    }
    absl::string_view rest = proto.http_uri().uri();
    if (const size_t scheme = rest.find("://"); scheme != absl::string_view::npos) {
      rest.remove_prefix(scheme + 3);
    }
    const size_t slash = rest.find('/');
    settings.host = std::string(rest.substr(0, slash));
    settings.path = slash == absl::string_view::npos ? "/" : std::string(rest.substr(slash));
    settings.cache_duration = std::chrono::milliseconds(
        config::durationOr(proto.has_cache_duration(), proto.cache_duration(), settings.cache_duration.count()));
    settings.async = proto.has_async_fetch();
    settings.fast_listener = proto.async_fetch().fast_listener();
    settings.failed_refetch = std::chrono::milliseconds(
        std::max<int64_t>(1, config::durationOr(proto.async_fetch().has_failed_refetch_duration(),
                                                proto.async_fetch().failed_refetch_duration(), 1000)));
    if (proto.has_retry_policy()) {
      settings.retry = grpc::RetrySettings::create(proto.retry_policy(), path.field("retry_policy"), violations_);
    }
    if (violations_.size() == mistakes) {
      out.remote_keys = std::make_unique<const JwtRemoteKeys>(std::move(settings), context_.main, context_.slots,
                                                              context_.upstreams, stats_.fetches, init_);
    }
  }

  static void readPlaces(const api::JwtProvider& proto, JwtProvider& out) {
    for (const auto& header : proto.from_headers()) {
      out.from_headers.push_back({absl::AsciiStrToLower(header.name()), header.value_prefix()});
    }
    out.from_params.assign(proto.from_params().begin(), proto.from_params().end());
    out.from_cookies.assign(proto.from_cookies().begin(), proto.from_cookies().end());
    if (out.from_headers.empty() && out.from_params.empty() && out.from_cookies.empty()) {
      out.from_headers.push_back({"authorization", "Bearer "});
      out.from_params.emplace_back(kDefaultParam);
    }
  }

  const JwtProvider* provider(const std::string& name, const FieldPath& path) {
    const auto found = out_.providers.find(name);
    if (found == out_.providers.end()) {
      violations_.add(path, absl::StrCat("there is no provider \"", name, "\""));
      return nullptr;
    }
    return found->second.get();
  }

  std::shared_ptr<const JwtRequirement> readTop(const api::JwtRequirement& proto, const FieldPath& path) {
    if (proto.requires_type_case() == api::JwtRequirement::REQUIRES_TYPE_NOT_SET) {
      return nullptr;
    }
    return std::make_shared<const JwtRequirement>(readRequirement(proto, path, all_));
  }

  /** `around`: whose tokens allow_missing and allow_missing_or_failed look at. */
  JwtRequirement readRequirement(const api::JwtRequirement& proto, const FieldPath& path,
                                 const std::vector<const JwtProvider*>& around) {
    JwtRequirement out;
    switch (proto.requires_type_case()) {
      case api::JwtRequirement::kProviderName:
        out.provider = provider(proto.provider_name(), path.field("provider_name"));
        break;
      case api::JwtRequirement::kProviderAndAudiences: {
        const auto& both = proto.provider_and_audiences();
        out.provider = provider(both.provider_name(), path.field("provider_and_audiences").field("provider_name"));
        out.audiences.emplace(both.audiences().begin(), both.audiences().end());
        break;
      }
      case api::JwtRequirement::kRequiresAny:
        out.kind = JwtRequirement::Kind::Any;
        readList(proto.requires_any().requirements(), path.field("requires_any").field("requirements"), out);
        break;
      case api::JwtRequirement::kRequiresAll:
        out.kind = JwtRequirement::Kind::All;
        readList(proto.requires_all().requirements(), path.field("requires_all").field("requirements"), out);
        break;
      case api::JwtRequirement::kAllowMissing:
        out.kind = JwtRequirement::Kind::AllowMissing;
        out.providers = around;
        break;
      case api::JwtRequirement::kAllowMissingOrFailed:
        out.kind = JwtRequirement::Kind::AllowMissingOrFailed;
        out.providers = around;
        break;
      case api::JwtRequirement::REQUIRES_TYPE_NOT_SET:
        violations_.add(path, "must say what is required");
        break;
    }
    return out;
  }

  void readList(const google::protobuf::RepeatedPtrField<api::JwtRequirement>& protos, const FieldPath& path,
                JwtRequirement& out) {
    std::vector<const JwtProvider*> named;
    for (const auto& each : protos) {
      const std::string& name =
          each.has_provider_and_audiences() ? each.provider_and_audiences().provider_name() : each.provider_name();
      if (const auto found = out_.providers.find(name); found != out_.providers.end()) {
        named.push_back(found->second.get());
      }
    }
    for (int i = 0; i < protos.size(); ++i) {
      out.inner.push_back(readRequirement(protos[i], path.index(static_cast<size_t>(i)), named.empty() ? all_ : named));
    }
  }

  void readRule(const api::RequirementRule& proto, const FieldPath& path) {
    JwtAuthnSettings::Rule rule;
    rule.match = readMatch(proto.match(), path.field("match"));
    if (proto.has_requires()) {
      rule.requirement = readTop(proto.requires_(), path.field("requires"));
    } else if (!proto.requirement_name().empty()) {
      const auto found = out_.named.find(proto.requirement_name());
      if (found == out_.named.end()) {
        violations_.add(path.field("requirement_name"),
                        absl::StrCat("requirement_map has no \"", proto.requirement_name(), "\""));
      } else {
        rule.requirement = found->second;
      }
    }
    out_.rules.push_back(std::move(rule));
  }

  http::RouteMatch readMatch(const envoy::config::route::v3::RouteMatch& proto, const FieldPath& path) {
    const NoPerRouteConfigs per_route;
    const http::RouteTable table;
    const std::shared_ptr<const runtime::Snapshot> runtime(std::shared_ptr<const void>(), &context_.tools.runtime);
    const http::RouteServices services{context_.root, nullptr, runtime, context_.tools.operators, per_route, nullptr};
    http::RouteReader reader(nullptr, services, false, table);
    http::RouteMatch match = reader.readMatch(proto, config::PathStep(path.toString()));
    violations_.addAll(reader.violations);
    return match;
  }

  const ServiceFilterContext& context_;
  xds::InitManager& init_;
  const JwtAuthnStats& stats_;
  config::Violations& violations_;
  JwtAuthnSettings out_;
  std::vector<const JwtProvider*> all_;
};

class JwtAuthnFactory : public HttpFilterFactory {
 public:
  explicit JwtAuthnFactory(const ServiceFilterContext& context) : context_(context) {}
  absl::string_view messageName() const override { return api::JwtAuthentication::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return api::PerRouteConfig::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message, const FieldPath& path,
                                                       HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const api::JwtAuthentication&>(message);
    const size_t mistakes = violations.size();
    stats::ScopePtr scope = context.scope->createScope(
        proto.stat_prefix().empty() ? "jwt_authn" : absl::StrCat("jwt_authn.", proto.stat_prefix()));
    const JwtAuthnStats stats(*scope);
    JwtAuthnSettings settings = JwtReader(context_, context.init_manager, stats, violations).read(proto, path);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        context_.main, std::make_unique<JwtAuthnConfig>(std::move(settings), std::move(scope), stats));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const api::PerRouteConfig&>(message);
    auto out = std::make_shared<JwtPerRoute>();
    out->disabled = proto.disabled();
    out->requirement_name = proto.requirement_name();
    if (!out->disabled && out->requirement_name.empty()) {
      violations.add(path, "needs a requirement_name, or disabled");
      return nullptr;
    }
    return out;
  }

 private:
  const ServiceFilterContext context_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> jwtAuthnFactory(const ServiceFilterContext& context) {
  return std::make_unique<JwtAuthnFactory>(context);
}

}  // namespace sluice::filters
