#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"

#include "source/base/intrusive_list.h"
#include "source/cluster/connection_options.h"
#include "source/cluster/http_client.h"
#include "source/cluster/http_request.h"
#include "source/cluster/local_clusters.h"
#include "source/event/deferred_delete.h"

namespace sluice::cluster {

class HttpPools;

/**
 * One worker's HTTP connections to one endpoint, of one protocol, recipe, priority and set of options, and the requests
 * that wait for one. The connection that was used last is used next, so that those that are not needed grow idle and end. Worker thread;
 * owned by HttpPools until it has neither connections nor requests, then gone by deferred deletion: no callback deletes it.
 */
class HttpPool final : public event::DeferredDeletable {
 public:
  /** Has a place among the cluster's pools, which it gives back. */
  HttpPool(HttpPools& owner, LocalCluster& cluster, const EndpointSet::Entry& entry,
           std::shared_ptr<const ConnectionRecipe> recipe, PoolProtocol protocol, bool high_priority,
           const LocalConnectionOptions& options);
  ~HttpPool() override;

  Endpoint& endpoint() const { return *endpoint_; }
  EndpointRequests& requests() const { return requests_; }
  const ConnectionRecipe& recipe() const { return *recipe_; }
  PoolProtocol protocol() const { return protocol_; }
  /** Null where there are none. */
  const ConnectionOptions* options() const { return options_ ? &*options_ : nullptr; }
  /** A connection that has yet to connect. */
  std::unique_ptr<net::Connection> makeConnection() const;
  bool highPriority() const { return high_priority_; }
  bool draining() const { return draining_; }

  /** Gives the request a stream, has it wait, or fails it; it may be gone when this returns. */
  void start(HttpRequest& request);
  /** Makes a connection ahead of the next request if `ratio` asks for it; false if it did not. */
  bool preconnect(double ratio);
  /** Whether the endpoint is: nothing is made ahead for one that is not. */
  void setHealthy(bool healthy) { healthy_ = healthy; }
  /** Idle connections close now and others after their requests; requests that wait are still served. */
  void drain();

  // For its requests.

  /** A waiting request has left. */
  void onCancel();
  void countWaiting(int change);
  void countActive(int change);

  // For its clients.

  /** Puts the client in the list that fits its room, and counts that in place of what it had before. */
  void place(HttpClient& client, uint32_t room_before, bool was_connecting);
  /** There may be a connection for those that wait. */
  void onRoom();
  void onConnectFailure(PoolFailure failure, absl::string_view reason);
  void onClosed(HttpClient& client);

 private:
  bool hasClients() const { return !ready_.empty() || !connecting_.empty() || !others_.empty(); }
  /** As preconnect_policy has it; `predictive_ratio` 0 asks for what this pool itself needs. */
  bool wantsConnection(double predictive_ratio) const;
  void connectAsNeeded();
  bool connect();
  void goIfUnused();

  HttpPools& owner_;
  LocalCluster& cluster_;
  const LocalInfo info_;
  const std::shared_ptr<Endpoint> endpoint_;
  EndpointRequests& requests_;
  const std::shared_ptr<const ConnectionRecipe> recipe_;
  const PoolProtocol protocol_;
  const LocalConnectionOptions options_;
  /** With what the pool can speak; null where nothing reads them. */
  const std::shared_ptr<const net::TransportSocketOptions> transport_options_;
  const bool high_priority_;
  bool healthy_;
  bool draining_ = false;
  bool gone_ = false;
  uint32_t waiting_count_ = 0;
  uint32_t active_count_ = 0;
  /** Room of all clients, those that connect included. */
  int64_t capacity_ = 0;
  int64_t connecting_capacity_ = 0;
  base::IntrusiveList<HttpRequest> waiting_;
  /** Those with room; the last used is first. */
  base::IntrusiveList<HttpClient> ready_;
  base::IntrusiveList<HttpClient> connecting_;
  /** Busy and draining ones. */
  base::IntrusiveList<HttpClient> others_;
};

}  // namespace sluice::cluster
