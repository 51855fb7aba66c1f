#pragma once

#include <chrono>
#include <memory>

#include "absl/container/flat_hash_map.h"

#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/http/header_map.h"
#include "source/net/buffer.h"
#include "source/thread/slot.h"

namespace sluice::filters {

/**
 * Copies of requests that a worker has sent to clusters which only watch (request_mirror_policies): nobody waits for their
 * answers, and they outlive the request that they copy. One for each worker; one thread.
 */
class ShadowRequests : public thread::ThreadLocalObject {
 public:
  explicit ShadowRequests(event::Dispatcher& dispatcher);
  ~ShadowRequests() override;

  /**
   * `trailers` may be null. Copies all that it is given. `timeout` zero: five minutes. `append_shadow` marks the host
   * ("example.com-shadow").
   */
  void send(cluster::LocalCluster& cluster, const http::HeaderMap& headers, const net::Buffer* body,
            const http::HeaderMap* trailers, std::chrono::milliseconds timeout, bool append_shadow,
            http::Protocol downstream_protocol);
  size_t active() const { return requests_.size(); }

 private:
  class Request;
  void remove(Request& request);

  event::Dispatcher& dispatcher_;
  absl::flat_hash_map<Request*, std::unique_ptr<Request>> requests_;
};

}  // namespace sluice::filters
