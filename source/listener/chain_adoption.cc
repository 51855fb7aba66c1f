#include "source/listener/chain_adoption.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace sluice::listener {
namespace {

/** Equal texts for rules that match the same. */
std::string ruleKey(const ChainIdentity& chain) { return chain.is_default ? "default" : chain.rule.key(); }

class Adoption {
 public:
  Adoption(const std::vector<ChainIdentity>& old_chains, const std::vector<ChainIdentity>& new_chains)
      : old_(old_chains), new_(new_chains), taken_(old_chains.size(), false), result_(new_chains.size(), 0) {}

  /** Pairs chains that agree in what `key` makes of them, which includes the structure. */
  template <class Key, class Eligible>
  void pair(Key key, Eligible eligible) {
    absl::flat_hash_map<std::string, std::vector<size_t>> offered;
    // From the last on, so that they are taken from the back in their order.
    for (size_t i = old_.size(); i-- > 0;) {
      if (!taken_[i] && eligible(old_[i])) {
        offered[key(old_[i])].push_back(i);
      }
    }
    for (size_t i = 0; i < new_.size(); ++i) {
      if (result_[i] != 0) {
        continue;
      }
      auto found = offered.find(key(new_[i]));
      if (found != offered.end() && !found->second.empty()) {
        const size_t old = found->second.back();
        found->second.pop_back();
        taken_[old] = true;
        result_[i] = old_[old].id;
      }
    }
  }

  std::vector<uint64_t> take() { return std::move(result_); }

 private:
  const std::vector<ChainIdentity>& old_;
  const std::vector<ChainIdentity>& new_;
  std::vector<bool> taken_;
  std::vector<uint64_t> result_;
};

}  // namespace

std::vector<uint64_t> adoptChains(const std::vector<ChainIdentity>& old_chains,
                                  const std::vector<ChainIdentity>& new_chains) {
  Adoption adoption(old_chains, new_chains);
  auto all = [](const ChainIdentity&) { return true; };
  adoption.pair(
      [](const ChainIdentity& chain) { return absl::StrCat(ruleKey(chain), "\n", chain.structural_key.hex()); }, all);
  adoption.pair([](const ChainIdentity& chain) { return absl::StrCat(chain.name, "\n", chain.structural_key.hex()); },
                [](const ChainIdentity& chain) { return !chain.name.empty(); });

  absl::flat_hash_set<std::string> rules;
  absl::flat_hash_set<std::string> names;
  for (const ChainIdentity& chain : new_chains) {
    rules.insert(ruleKey(chain));
    names.insert(chain.name);
  }
  adoption.pair([](const ChainIdentity& chain) { return chain.structural_key.hex(); },
                [&](const ChainIdentity& chain) {
                  return !rules.contains(ruleKey(chain)) && (chain.name.empty() || !names.contains(chain.name));
                });
  return adoption.take();
}

}  // namespace sluice::listener
