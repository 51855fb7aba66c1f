#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/filters/common/rbac/config.h"
#include "source/stats/stats.h"

namespace sluice::filters::rbac {

/** allowed, denied, shadow_allowed and shadow_denied, of the filter or of one policy. */
struct Stats {
  /** The prefixes, which may be empty, go before the names, with a dot between. */
  Stats(stats::Scope& scope, const std::string& prefix, const std::string& shadow_prefix);
  stats::Counter allowed;
  stats::Counter denied;
  stats::Counter shadow_allowed;
  stats::Counter shadow_denied;
};

/** A statistic's name with its prefix, where there is one. */
std::string prefixed(absl::string_view prefix, absl::string_view name);

/** The rules of one filter, or of a route: what is enforced, and what is but tried. */
struct Rules {
  /** Null: everything is allowed, and nothing counted. */
  std::shared_ptr<const Engine> enforced;
  std::shared_ptr<const Engine> shadow;
  std::string stat_prefix;
  std::string shadow_stat_prefix;
};

/**
 * Asks both engines, counts, and leaves their verdicts in the dynamic metadata of `filter` for access logs. What was
 * enforced is returned.
 */
Verdict enforce(const Rules& rules, const Stats& stats, absl::string_view filter, const Query& query,
                net::StreamInfo& info);

/** "rbac_access_denied_matched_policy[name]", as %RESPONSE_CODE_DETAILS% prints it. */
std::string denialDetails(absl::string_view policy);

}  // namespace sluice::filters::rbac
