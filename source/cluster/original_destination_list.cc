#include "source/cluster/original_destination_list.h"

#include <algorithm>

namespace sluice::cluster {

void OriginalDestinationList::add(std::shared_ptr<Endpoint> endpoint) {
  std::vector<std::shared_ptr<Endpoint>>& all = endpoints_[*endpoint->name()];
  all.push_back(std::move(endpoint));
  if (all.size() == 1) {
    changed_();
  }
}

void OriginalDestinationList::remove(const std::shared_ptr<Endpoint>& endpoint) {
  const auto found = endpoints_.find(*endpoint->name());
  if (found == endpoints_.end()) {
    return;
  }
  std::vector<std::shared_ptr<Endpoint>>& all = found->second;
  all.erase(std::remove(all.begin(), all.end(), endpoint), all.end());
  if (all.empty()) {
    endpoints_.erase(found);
    changed_();
  }
}

std::shared_ptr<const EndpointSet> OriginalDestinationList::snapshot() const {
  std::vector<EndpointSet::Entry> entries;
  for (const auto& [name, all] : endpoints_) {
    auto sum = std::make_shared<Endpoint>(all.front()->address(), "");
    for (const std::shared_ptr<Endpoint>& each : all) {
      sum->countWhatDid(*each);
    }
    entries.emplace_back().endpoint = std::move(sum);
  }
  return std::make_shared<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules());
}

}  // namespace sluice::cluster
