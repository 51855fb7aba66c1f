#pragma once

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/http/route.h"

namespace sluice::http {

// The settings that a route gives a filter, by the filter's name in the chain: those of the weighted cluster that was
// picked, the route, its virtual host and its table. `route` and `weighted` may be null.

namespace detail {
inline const FilterOverride* overrideOf(const RouteLevel* level, absl::string_view name) {
  if (level == nullptr || level->overrides.empty()) {
    return nullptr;
  }
  const auto found = level->overrides.find(name);
  return found == level->overrides.end() ? nullptr : &found->second;
}
}  // namespace detail

/** Null when no level says anything. */
inline const FilterOverride* mostSpecificOverride(const Route* route, const WeightedCluster* weighted,
                                                  absl::string_view name) {
  if (route == nullptr) {
    return nullptr;
  }
  const VirtualHost* const host = route->virtual_host;
  for (const RouteLevel* level : {static_cast<const RouteLevel*>(weighted), static_cast<const RouteLevel*>(route),
                                  static_cast<const RouteLevel*>(host),
                                  host == nullptr ? static_cast<const RouteLevel*>(nullptr) : host->table}) {
    if (const FilterOverride* const found = detail::overrideOf(level, name); found != nullptr) {
      return found;
    }
  }
  return nullptr;
}

inline const PerRouteConfig* mostSpecificConfig(const Route* route, const WeightedCluster* weighted,
                                                absl::string_view name) {
  const FilterOverride* const found = mostSpecificOverride(route, weighted, name);
  return found == nullptr ? nullptr : found->config.get();
}

inline void forEachConfig(const Route* route, const WeightedCluster* weighted, absl::string_view name,
                          absl::FunctionRef<void(const PerRouteConfig&)> visit) {
  if (route == nullptr) {
    return;
  }
  const VirtualHost* const host = route->virtual_host;
  for (const RouteLevel* level :
       {host == nullptr ? static_cast<const RouteLevel*>(nullptr) : host->table, static_cast<const RouteLevel*>(host),
        static_cast<const RouteLevel*>(route), static_cast<const RouteLevel*>(weighted)}) {
    const FilterOverride* const found = detail::overrideOf(level, name);
    if (found != nullptr && found->config != nullptr) {
      visit(*found->config);
    }
  }
}

}  // namespace sluice::http
