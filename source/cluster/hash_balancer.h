#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

#include "source/cluster/hash_table.h"
#include "source/cluster/lb_options.h"
#include "source/cluster/load_balancer.h"

namespace sluice::cluster {

/** The tables of one set, one for each share. Built on main, since they may be large; immutable, shared by all workers. */
class HashTables {
 public:
  /** What an endpoint is known by. */
  using KeyOf = absl::FunctionRef<std::string(const EndpointSet::Entry& entry)>;

  HashTables(const LbOptions& options, const EndpointSet& set, KeyOf key_of);

  /** Null when the share has no endpoints. */
  const HashTable* ofShare(size_t share) const { return tables_[share].get(); }

 private:
  std::vector<std::unique_ptr<const HashTable>> tables_;
};

/** Gives requests of one hash the same endpoint; those without one any. One worker's. */
class HashBalancer final : public LoadBalancer {
 public:
  /** `set` has tables. */
  HashBalancer(const EndpointSet& set, base::Random& random)
      : LoadBalancer(Foresight::Blind), set_(set), random_(random) {}

 private:
  const EndpointSet::Entry* pickNext(const LoadBalancerContext& context, bool& panicked) override;

  const EndpointSet& set_;
  base::Random& random_;
};

}  // namespace sluice::cluster
