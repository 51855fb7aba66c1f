#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/filters/http/jwt_verifier.h"
#include "source/http/filter.h"
#include "source/http/route_match.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** http.<prefix>.jwt_authn.* */
struct JwtAuthnStats {
  explicit JwtAuthnStats(stats::Scope& scope);
  stats::Counter allowed;
  stats::Counter denied;
  stats::Counter cors_preflight_bypassed;
  JwtFetchStats fetches;
  /** Every token is verified anew: these stay 0. */
  stats::Counter jwt_cache_hit;
  stats::Counter jwt_cache_miss;
};

/** What a JwtAuthentication message says, as plain data. */
struct JwtAuthnSettings {
  /** By name. */
  std::map<std::string, std::unique_ptr<const JwtProvider>> providers;
  struct Rule {
    http::RouteMatch match;
    /** Null: whatever is sent is let pass. */
    std::shared_ptr<const JwtRequirement> requirement;
  };
  std::vector<Rule> rules;
  std::map<std::string, std::shared_ptr<const JwtRequirement>> named;
  /** The filter state's object whose text is looked up in `by_state`. */
  std::string state_name;
  std::map<std::string, std::shared_ptr<const JwtRequirement>> by_state;
  bool bypass_cors_preflight = false;
  bool strip_failure_response = false;
  /** In lower case: set by this filter alone, so taken off what comes in. */
  std::vector<std::string> own_headers;
};

struct JwtPerRoute : http::PerRouteConfig {
  bool disabled = false;
  std::string requirement_name;
};

/** The jwt_authn filter of one chain. Made on main; shared. */
class JwtAuthnConfig final : public http::HttpFilterConfig {
 public:
  JwtAuthnConfig(JwtAuthnSettings settings, stats::ScopePtr scope, const JwtAuthnStats& stats)
      : settings_(std::move(settings)), scope_(std::move(scope)), stats_(stats) {}

  void addTo(http::FilterChainBuilder& chain) const override;
  const JwtAuthnSettings& settings() const { return settings_; }
  const JwtAuthnStats& stats() const { return stats_; }

 private:
  const JwtAuthnSettings settings_;
  const stats::ScopePtr scope_;
  const JwtAuthnStats stats_;
};

}  // namespace sluice::filters
