#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "source/cluster/endpoint.h"

namespace sluice::cluster {

/**
 * What the workers of a cluster of type ORIGINAL_DST connect to, as they tell main: for its pages and statistics alone.
 * Main thread; the Cluster's, which workers hold weakly.
 */
class OriginalDestinationList {
 public:
  /** `changed` is called when there is an address more or less. */
  explicit OriginalDestinationList(std::function<void()> changed) : changed_(std::move(changed)) {}

  void add(std::shared_ptr<Endpoint> endpoint);
  void remove(const std::shared_ptr<Endpoint>& endpoint);
  /** Addresses. */
  size_t size() const { return endpoints_.size(); }
  /** One endpoint for each address, with what all workers have counted until now. */
  std::shared_ptr<const EndpointSet> snapshot() const;

 private:
  const std::function<void()> changed_;
  /** By address: each worker has an endpoint of its own. */
  std::map<std::string, std::vector<std::shared_ptr<Endpoint>>> endpoints_;
};

}  // namespace sluice::cluster
