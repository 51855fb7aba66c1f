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

void Endpoint::countWhatDid(const Endpoint& other) {
  const RequestCounts requests = other.requestCounts();
  EndpointRequests& sum = requestsOf(nullptr);
  EndpointRequests::add(sum.total_, requests.total);
  EndpointRequests::add(sum.success_, requests.success);
  EndpointRequests::add(sum.error_, requests.error);
  EndpointRequests::add(sum.timeout_, requests.timeout);
  EndpointRequests::add(sum.active_, requests.active);
  EndpointRequests::add(sum.pending_, requests.pending);
  const auto add = [](std::atomic<uint64_t>& to, const std::atomic<uint64_t>& from) {
    to.fetch_add(from.load(std::memory_order_relaxed), std::memory_order_relaxed);
  };
  add(counts_.cx_total, other.counts_.cx_total);
  add(counts_.cx_active, other.counts_.cx_active);
  add(counts_.cx_connect_fail, other.counts_.cx_connect_fail);
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

}  // namespace sluice::cluster
