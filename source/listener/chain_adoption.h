#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "source/config/canonical_key.h"
#include "source/listener/filter_chain_matcher.h"

namespace sluice::listener {

/** A filter chain that connections were made in: what a new version needs to know to take them over. */
struct ChainIdentity {
  uint64_t id = 0;
  std::string name;
  FilterChainRule rule;
  bool is_default = false;
  config::ContentKey structural_key;
};

/**
 * Decides for each chain of a new version (its `id` is 0) whose connections it goes on serving, and returns the ids of
 * those old ones, 0 where none. Only chains of equal structure are adopted, each once; among them, in this order:
 *
 *   1. the chain that matches the same connections, whatever it is called now;
 *   2. the chain of the same name, whatever it matches now;
 *   3. any other, unless something in the new version stands in its place (its match or its name) that is made
 *      otherwise: then its connections are those that changed.
 *
 * Connections of the old chains that nobody adopts drain. Pure.
 */
std::vector<uint64_t> adoptChains(const std::vector<ChainIdentity>& old_chains,
                                  const std::vector<ChainIdentity>& new_chains);

}  // namespace sluice::listener
