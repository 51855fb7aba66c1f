#include "source/cluster/hash_balancer.h"

#include "source/cluster/maglev.h"
#include "source/cluster/ring_hash.h"
#include "source/cluster/rotation.h"

namespace sluice::cluster {

HashTables::HashTables(const LbOptions& options, const EndpointSet& set, KeyOf key_of) {
  for (const LoadShare& share : set.shares()) {
    double total = 0;
    for (uint32_t g = share.first_group; g < share.first_group + share.group_count; ++g) {
      total += set.groups()[g].share_weight;
    }
    std::vector<HashedEndpoint> endpoints;
    for (uint32_t g = share.first_group; g < share.first_group + share.group_count; ++g) {
      const EndpointGroup& group = set.groups()[g];
      for (const uint32_t index : group.indexes) {
        const EndpointSet::Entry& entry = set.entries()[index];
        endpoints.push_back(
            {.index = index,
             .weight = group.share_weight / total * entry.weight / static_cast<double>(group.total_weight),
             .key = key_of(entry)});
      }
    }
    if (endpoints.empty()) {
      tables_.push_back(nullptr);
    } else if (options.policy == LbPolicy::Maglev) {
      tables_.push_back(std::make_unique<MaglevTable>(options.maglev_table_size, endpoints));
    } else {
      tables_.push_back(std::make_unique<RingHashTable>(options, endpoints));
    }
  }
}

const EndpointSet::Entry* HashBalancer::pickNext(const LoadBalancerContext& context, bool& panicked) {
  const uint64_t hash = context.hash.has_value() ? *context.hash : random_.next();
  // By the hash as well: one hash stays with one priority.
  const size_t share = GroupRotation::shareAt(set_, hash % 100);
  panicked = set_.shares()[share].panic;
  const HashTable* const table = set_.hashTables()->ofShare(share);
  return table == nullptr ? nullptr : &set_.entries()[table->find(hash, context.attempt)];
}

}  // namespace sluice::cluster
