#include "source/cluster/endpoint.h"

#include <algorithm>

namespace sluice::cluster {

Health toHealth(EdsHealth health) {
  switch (health) {
    case EdsHealth::Unknown:
    case EdsHealth::Healthy:
      return Health::Healthy;
    case EdsHealth::Degraded:
      return Health::Degraded;
    case EdsHealth::Unhealthy:
    case EdsHealth::Draining:
    case EdsHealth::Timeout:
      return Health::Unhealthy;
  }
  return Health::Unhealthy;
}

Endpoint::Endpoint(const net::Address& address, std::string hostname)
    : address_(address),
      hostname_(std::move(hostname)),
      name_(std::make_shared<const std::string>(address.toString())),
      log_name_(hostname_.empty() ? name_ : std::make_shared<const std::string>(hostname_)) {}

Endpoint::~Endpoint() {
  for (EndpointRequests* each = requests_.load(std::memory_order_acquire); each != nullptr;) {
    EndpointRequests* const next = each->next_;
    delete each;
    each = next;
  }
}

EndpointRequests& Endpoint::requestsOf(const void* worker) {
  EndpointRequests* const first = requests_.load(std::memory_order_acquire);
  for (EndpointRequests* each = first; each != nullptr; each = each->next_) {
    if (each->worker_ == worker) {
      return *each;
    }
  }
  auto* added = new EndpointRequests(worker);
  added->next_ = first;
  while (!requests_.compare_exchange_weak(added->next_, added, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return *added;
}

RequestCounts Endpoint::requestCounts() const {
  RequestCounts sum;
  for (const EndpointRequests* each = requests_.load(std::memory_order_acquire); each != nullptr; each = each->next_) {
    const auto read = [](const std::atomic<uint64_t>& from) { return from.load(std::memory_order_relaxed); };
    sum.total += read(each->total_);
    sum.success += read(each->success_);
    sum.error += read(each->error_);
    sum.timeout += read(each->timeout_);
    sum.active += read(each->active_);
    sum.pending += read(each->pending_);
  }
  return sum;
}

bool Endpoint::tryAcquireConnection(const std::optional<uint32_t>& limit) {
  if (!limit.has_value()) {
    counts_.cx_active.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  uint64_t active = counts_.cx_active.load(std::memory_order_relaxed);
  do {
    if (active >= *limit) {
      return false;
    }
  } while (!counts_.cx_active.compare_exchange_weak(active, active + 1, std::memory_order_relaxed));
  return true;
}

EndpointSet::EndpointSet(std::vector<Entry> entries, std::vector<Locality> localities, const HealthRules& rules)
    : entries_(std::move(entries)), localities_(std::move(localities)), rules_(rules) {
  const auto add = [this](EndpointGroup& group, uint32_t index) {
    const uint32_t weight = entries_[index].weight;
    if (!group.indexes.empty() && weight != entries_[group.indexes.front()].weight) {
      group.equal_weights = false;
    }
    group.indexes.push_back(index);
    group.total_weight += weight;
  };
  all_.indexes.reserve(entries_.size());
  for (uint32_t index = 0; index < entries_.size(); ++index) {
    const Entry& entry = entries_[index];
    max_weight_ = std::max(max_weight_, entry.weight);
    add(all_, index);
    switch (toHealth(entry.health)) {
      case Health::Healthy:
        add(healthy_, index);
        break;
      case Health::Degraded:
        add(degraded_, index);
        break;
      case Health::Unhealthy:
        if (entry.health == EdsHealth::Draining) {
          ++excluded_count_;
          excluded_weight_ += entry.weight;
        }
        break;
    }
  }
  distributeLoad();
}

void EndpointSet::distributeLoad() {
  const bool by_weight = rules_.weighted_priority_health;
  const auto size = [by_weight](const EndpointGroup& group) -> uint64_t {
    return by_weight ? group.total_weight : group.indexes.size();
  };
  const uint64_t counted = size(all_) - (by_weight ? excluded_weight_ : excluded_count_);
  // Shares of what is needed to serve all traffic: with overprovisioning, fewer than all endpoints are enough.
  const auto share = [this, counted](uint64_t up) -> uint32_t {
    return counted == 0
               ? 0
               : static_cast<uint32_t>(std::min<uint64_t>(100, rules_.overprovisioning_percent * up / counted));
  };
  const uint32_t healthy = share(size(healthy_));
  const uint32_t degraded = share(size(degraded_));
  const uint32_t available = std::min<uint32_t>(100, healthy + degraded);
  if (available < 100) {
    const uint64_t counted_hosts = all_.indexes.size() - excluded_count_;
    const uint64_t up = healthy_.indexes.size() + degraded_.indexes.size();
    const double percent =
        counted_hosts == 0 ? 0 : 100.0 * static_cast<double>(up) / static_cast<double>(counted_hosts);
    panic_ = percent < rules_.panic_percent;
  }
  healthy_load_ = available == 0 ? 100 : std::min<uint32_t>(100, healthy * 100 / available);
  if (degraded_.indexes.empty()) {
    healthy_load_ = 100;
  }
}

}  // namespace sluice::cluster
