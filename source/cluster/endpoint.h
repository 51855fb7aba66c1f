#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/cluster/priority_load.h"
#include "source/net/address.h"

namespace envoy::config::core::v3 {
class Metadata;
}

namespace sluice::cluster {

struct ConnectionRecipe;

/** What the control plane says of an endpoint (envoy.config.core.v3.HealthStatus). */
enum class EdsHealth : uint8_t { Unknown, Healthy, Unhealthy, Draining, Timeout, Degraded };

/** What that means for balancing. */
enum class Health : uint8_t { Healthy, Degraded, Unhealthy };

Health toHealth(EdsHealth health);

/** What requests to an endpoint have come to: summed over workers, or one's own part. */
struct RequestCounts {
  uint64_t total = 0;
  uint64_t success = 0;
  uint64_t error = 0;
  uint64_t timeout = 0;
  uint64_t active = 0;
  uint64_t pending = 0;
};

/**
 * One worker's counts of an endpoint's requests: it is their only writer, so that counting takes no locked instruction;
 * any thread may read. Made by Endpoint::requestsOf(), lives as long as the endpoint.
 */
class EndpointRequests {
 public:
  void countTotal() { add(total_, 1); }
  /** Responses below 500. */
  void countSuccess() { add(success_, 1); }
  /** Responses from 500 on, resets, and connections that failed. */
  void countError() { add(error_, 1); }
  void countTimeout() { add(timeout_, 1); }
  void addActive(int64_t change) { add(active_, static_cast<uint64_t>(change)); }
  void addPending(int64_t change) { add(pending_, static_cast<uint64_t>(change)); }
  /** The worker's own part, for balancers. */
  uint64_t active() const { return active_.load(std::memory_order_relaxed); }

 private:
  friend class Endpoint;
  explicit EndpointRequests(const void* worker) : worker_(worker) {}
  static void add(std::atomic<uint64_t>& to, uint64_t amount) {
    to.store(to.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  const void* const worker_;
  EndpointRequests* next_ = nullptr;
  std::atomic<uint64_t> total_{0};
  std::atomic<uint64_t> success_{0};
  std::atomic<uint64_t> error_{0};
  std::atomic<uint64_t> timeout_{0};
  std::atomic<uint64_t> active_{0};
  std::atomic<uint64_t> pending_{0};
};

/**
 * One address that a cluster connects to. Lives as long as a version of the cluster's endpoints or a connection names
 * it, and through all updates that keep its address and host name: what changes otherwise (weight, health, locality) is
 * in EndpointSet. Any thread.
 */
class Endpoint {
 public:
  Endpoint(const net::Address& address, std::string hostname);
  Endpoint(const Endpoint&) = delete;
  ~Endpoint();

  const net::Address& address() const { return address_; }
  /** "10.0.0.1:80". */
  const std::shared_ptr<const std::string>& name() const { return name_; }
  /** As the configuration gives it, or the DNS name that it was resolved from; may be empty. */
  const std::string& hostname() const { return hostname_; }
  /** For access logs: the host name or, without one, the address. */
  const std::shared_ptr<const std::string>& logName() const { return log_name_; }

  /** The calling worker's counts; `worker` is what it is known by (its dispatcher), and is that worker's alone. */
  EndpointRequests& requestsOf(const void* worker);
  /** The sum over workers. */
  RequestCounts requestCounts() const;
  /** Adds what another one has counted until now. Before others see this one. */
  void countWhatDid(const Endpoint& other);

  /** Across threads; touched once or twice a connection. */
  struct alignas(64) Counts {
    std::atomic<uint64_t> cx_total{0};
    std::atomic<uint64_t> cx_active{0};
    std::atomic<uint64_t> cx_connect_fail{0};
  };
  Counts& counts() { return counts_; }
  /** Counts a connection as active; false at `limit`, which workers that connect at once never exceed together. */
  bool tryAcquireConnection(const std::optional<uint32_t>& limit);
  void releaseConnection() { counts_.cx_active.fetch_sub(1, std::memory_order_relaxed); }
  const Counts& counts() const { return counts_; }

 private:
  const net::Address address_;
  const std::string hostname_;
  const std::shared_ptr<const std::string> name_;
  const std::shared_ptr<const std::string> log_name_;
  Counts counts_;
  /** A list that only grows: one entry for each worker that sent a request. */
  std::atomic<EndpointRequests*> requests_{nullptr};
};

/** Where an endpoint is. Shared by the endpoints of a set. */
struct Locality {
  std::string region;
  std::string zone;
  std::string sub_zone;

  friend bool operator==(const Locality&, const Locality&) = default;
};

/** Endpoints that a balancer picks from alike: indexes into EndpointSet::entries, and whether their weights differ. */
struct EndpointGroup {
  std::vector<uint32_t> indexes;
  uint64_t total_weight = 0;
  bool equal_weights = true;
  /** Against the other groups of its share. */
  double share_weight = 1;
};

/** Some of all picks: which endpoints they go to. */
struct LoadShare {
  /** Of 100 picks. */
  uint32_t percent = 0;
  uint32_t priority = 0;
  /** Health is ignored. */
  bool panic = false;
  /** Indexes into EndpointSet::groups: one group, or where localities have weights, one for each of them. */
  uint32_t first_group = 0;
  uint32_t group_count = 1;
};

/** How much of its priority's load a locality is to get (locality_weighted_lb_config). */
struct LocalityWeight {
  uint32_t priority = 0;
  /** Index into EndpointSet::localities. */
  uint32_t locality = 0;
  uint32_t weight = 0;

  friend bool operator==(const LocalityWeight&, const LocalityWeight&) = default;
};

class HashTables;

/** One version of a cluster's endpoints: immutable, made on main, shared by all workers, freed on main. */
class EndpointSet {
 public:
  struct Entry {
    std::shared_ptr<Endpoint> endpoint;
    uint32_t weight = 1;
    EdsHealth health = EdsHealth::Unknown;
    /** Index into localities(). */
    uint32_t locality = 0;
    uint32_t priority = 0;
    /** Where the assignment holds it: EndpointList::assignment. */
    uint32_t group_index = 0;
    uint32_t endpoint_index = 0;
    /** Metadata "envoy.lb" says so. */
    bool canary = false;
    /** Null when there is none. */
    std::shared_ptr<const envoy::config::core::v3::Metadata> metadata;
    /** What its metadata has its connections made with (transport_socket_matches); null: the cluster's. */
    std::shared_ptr<const ConnectionRecipe> recipe;
  };

  EndpointSet(std::vector<Entry> entries, std::vector<Locality> localities, const HealthRules& rules,
              std::vector<LocalityWeight> locality_weights = {});

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Locality>& localities() const { return localities_; }
  const std::vector<LocalityWeight>& localityWeights() const { return locality_weights_; }
  const HealthRules& rules() const { return rules_; }

  /** Where picks go; never empty, and in all 100 percent. A share may be of no endpoints. */
  const std::vector<LoadShare>& shares() const { return shares_; }
  const std::vector<EndpointGroup>& groups() const { return groups_; }

  /** What balancers that hash pick from; null for the others. Set by main before others see the set. */
  const HashTables* hashTables() const { return hash_tables_.get(); }
  void setHashTables(std::shared_ptr<const HashTables> tables) { hash_tables_ = std::move(tables); }

  uint32_t healthyCount() const { return healthy_count_; }
  uint32_t degradedCount() const { return degraded_count_; }
  /** Draining ones: they count for nothing in panic's arithmetic. */
  uint32_t excludedCount() const { return excluded_count_; }
  uint32_t maxWeight() const { return max_weight_; }

 private:
  struct Priority;

  void addShare(const Priority& from, uint32_t percent, bool panic, const std::vector<uint32_t>& indexes);
  void addLocalities(const Priority& from, const std::vector<uint32_t>& indexes);
  void addGroup(const std::vector<uint32_t>& indexes, double share_weight);

  std::vector<Entry> entries_;
  std::vector<Locality> localities_;
  std::vector<LocalityWeight> locality_weights_;
  HealthRules rules_;
  std::vector<LoadShare> shares_;
  std::vector<EndpointGroup> groups_;
  std::shared_ptr<const HashTables> hash_tables_;
  uint32_t healthy_count_ = 0;
  uint32_t degraded_count_ = 0;
  uint32_t excluded_count_ = 0;
  uint32_t max_weight_ = 0;
};

}  // namespace sluice::cluster
