#include "source/cluster/least_request.h"

#include <cmath>

namespace sluice::cluster {

LeastRequestBalancer::LeastRequestBalancer(const LbOptions& options, const EndpointSet& set, base::Random& random,
                                           const void* worker)
    : LoadBalancer(Foresight::Blind),
      choice_count_(options.choice_count),
      active_request_bias_(options.active_request_bias),
      set_(set),
      random_(random),
      worker_(worker),
      groups_(set, random),
      turns_(set.groups().size()),
      requests_(set.entries().size()) {}

uint64_t LeastRequestBalancer::active(uint32_t index) {
  if (requests_[index] == nullptr) {
    requests_[index] = &set_.entries()[index].endpoint->requestsOf(worker_);
  }
  return requests_[index]->active();
}

double LeastRequestBalancer::weight(uint32_t index) {
  const double requests = static_cast<double>(active(index)) + 1;
  const double divisor = active_request_bias_ == 1.0 ? requests : std::pow(requests, active_request_bias_);
  return set_.entries()[index].weight / divisor;
}

const EndpointSet::Entry* LeastRequestBalancer::pickNext(const LoadBalancerContext&, bool& panicked) {
  const uint32_t number = groups_.next(panicked);
  const EndpointGroup& group = set_.groups()[number];
  if (group.indexes.empty()) {
    return nullptr;
  }
  if (!group.equal_weights) {
    const auto weight_of = [&](uint32_t item) { return weight(group.indexes[item]); };
    if (turns_[number].empty()) {
      turns_[number].begin(group.indexes.size(), random_, weight_of);
    }
    return &set_.entries()[group.indexes[turns_[number].next(weight_of)]];
  }
  uint32_t best = group.indexes[random_.below(group.indexes.size())];
  for (uint32_t choice = 1; choice < choice_count_; ++choice) {
    const uint32_t other = group.indexes[random_.below(group.indexes.size())];
    if (active(other) < active(best)) {
      best = other;
    }
  }
  return &set_.entries()[best];
}

}  // namespace sluice::cluster
