#include "source/filters/http/jwt_authn.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "source/base/random.h"
#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/http/pass_through.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;

constexpr absl::string_view kName = "envoy.filters.http.jwt_authn";
constexpr size_t kMaxRealm = 256;

/**
 * Verifies a request's tokens when its headers come; waits where a key set must be fetched first.
 *
 *   New --no rule, verified--> Passed
 *    '--keys missing--> Waiting (all fetched or failed) --> Passed, Answered
 *    '--refused--> Answered
 */
class JwtAuthnFilter final : public PassThroughDecoder, public JwtKeysWaiter {
 public:
  explicit JwtAuthnFilter(const JwtAuthnConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    headers_ = &headers;
    const JwtAuthnSettings& settings = config_.settings();
    if (settings.bypass_cors_preflight && headers.get(HeaderId::Method) == "OPTIONS" &&
        !headers.get(HeaderId::Origin).empty() && !headers.get(HeaderId::AccessControlRequestMethod).empty()) {
      config_.stats().cors_preflight_bypassed.inc();
      config_.stats().allowed.inc();
      state_ = State::Passed;
      return HeadersStatus::Continue;
    }
    if (!findRequirement()) {
      return HeadersStatus::StopIteration;
    }
    if (requirement_ == nullptr) {
      config_.stats().allowed.inc();
      state_ = State::Passed;
      return HeadersStatus::Continue;
    }
    for (const std::string& name : settings.own_headers) {
      headers.remove(name);
    }
    inside_headers_ = true;
    check();
    inside_headers_ = false;
    return state_ == State::Passed ? HeadersStatus::Continue : HeadersStatus::StopIteration;
  }
  DataStatus decodeData(net::Buffer&, bool) override {
    return state_ == State::Passed ? DataStatus::Continue : DataStatus::StopIterationAndWatermark;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    return state_ == State::Passed ? TrailersStatus::Continue : TrailersStatus::StopIteration;
  }
  void onDestroy() override { unlink(); }

 private:
  enum class State : uint8_t { New, Waiting, Passed, Answered };

  void onKeys() override { check(); }

  /** False when the request was answered for want of one that its route names. */
  bool findRequirement() {
    const JwtAuthnSettings& settings = config_.settings();
    if (const auto* route = static_cast<const JwtPerRoute*>(decoder_->perRouteConfig()); route != nullptr) {
      if (route->disabled) {
        return true;
      }
      const auto found = settings.named.find(route->requirement_name);
      if (found != settings.named.end()) {
        requirement_ = found->second.get();
        return true;
      }
      std::vector<absl::string_view> names;
      for (const auto& [name, requirement] : settings.named) {
        names.push_back(name);
      }
      const std::string error = absl::StrCat("Wrong requirement_name: ", route->requirement_name,
                                             ". It should be one of [", absl::StrJoin(names, ","), "]");
      refuse(403, absl::StrCat("Failed JWT authentication: ", error), error, "");
      return false;
    }
    const http::RouteQuery query{*headers_, decoder_->streamInfo(), base::threadRandom().next()};
    const http::QueryPath path = http::QueryPath::of(*headers_, false, decoder_->arena());
    for (const JwtAuthnSettings::Rule& rule : settings.rules) {
      if (rule.match.matches(path, query)) {
        requirement_ = rule.requirement.get();
        return true;
      }
    }
    if (!settings.state_name.empty()) {
      const net::FilterState::Object* const object = decoder_->streamInfo().filterState(settings.state_name);
      if (object != nullptr) {
        const auto found = settings.by_state.find(object->serialize());
        requirement_ = found == settings.by_state.end() ? nullptr : found->second.get();
      }
    }
    return true;
  }

  void check() {
    const auto since_epoch = decoder_->dispatcher().systemNow().time_since_epoch();
    JwtVerifier verifier(*headers_,
                         static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count()));
    // One that was just waited for and is not there could not be fetched.
    const JwtRemoteKeys* const missing = verifier.missingKeys(*requirement_);
    if (missing != nullptr && std::find(waited_.begin(), waited_.end(), missing) == waited_.end()) {
      state_ = State::Waiting;
      waited_.push_back(missing);
      missing->wait(*this);
      return;
    }
    const JwtStatus status = verifier.verify(*requirement_);
    if (!verifier.metadata().fields().empty()) {
      addDynamicMetadata(decoder_->streamInfo(), kName, verifier.metadata());
    }
    if (status != JwtStatus::Ok) {
      const absl::string_view text = jwtStatusText(status);
      refuse(status == JwtStatus::AudienceNotAllowed ? 403 : 401, text, text, challenge(status));
      return;
    }
    config_.stats().allowed.inc();
    if (verifier.clearRouteCache()) {
      decoder_->clearRouteCache();
    }
    state_ = State::Passed;
    if (!inside_headers_) {
      decoder_->continueDecoding();
    }
  }

  /** RFC 6750, section 3. */
  std::string challenge(JwtStatus status) const {
    const absl::string_view scheme = headers_->has(HeaderId::ForwardedProto) ? headers_->get(HeaderId::ForwardedProto)
                                                                             : headers_->get(HeaderId::Scheme);
    const absl::string_view path = headers_->get(HeaderId::Path);
    return absl::StrCat("Bearer realm=\"", scheme, "://", headers_->get(HeaderId::Authority),
                        path.substr(0, std::min(path.find('?'), kMaxRealm)), "\"",
                        status == JwtStatus::Missing ? "" : ", error=\"invalid_token\"");
  }

  void refuse(uint32_t status, absl::string_view body, absl::string_view why, const std::string& challenge) {
    state_ = State::Answered;
    config_.stats().denied.inc();
    http::LocalReply reply;
    reply.status = status;
    reply.details =
        decoder_->arena().copy(absl::StrCat("jwt_authn_access_denied{", absl::StrReplaceAll(why, {{" ", "_"}}), "}"));
    if (!config_.settings().strip_failure_response) {
      reply.body = body;
      if (!challenge.empty()) {
        reply.modify_headers = [challenge](HeaderMap& headers) { headers.set("www-authenticate", challenge); };
      }
    }
    decoder_->sendLocalReply(reply);
  }

  const JwtAuthnConfig& config_;
  HeaderMap* headers_ = nullptr;
  const JwtRequirement* requirement_ = nullptr;
  std::vector<const JwtRemoteKeys*> waited_;
  State state_ = State::New;
  bool inside_headers_ = false;
};

}  // namespace

JwtAuthnStats::JwtAuthnStats(stats::Scope& scope)
    : allowed(scope.counter("allowed")),
      denied(scope.counter("denied")),
      cors_preflight_bypassed(scope.counter("cors_preflight_bypassed")),
      fetches{scope.counter("jwks_fetch_success"), scope.counter("jwks_fetch_failed")},
      jwt_cache_hit(scope.counter("jwt_cache_hit")),
      jwt_cache_miss(scope.counter("jwt_cache_miss")) {}

void JwtAuthnConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addDecoderFilter(*chain.arena().make<JwtAuthnFilter>(*this));
}

}  // namespace sluice::filters
