#include "source/cluster/http_pool.h"

#include <utility>

#include "absl/container/inlined_vector.h"

#include "source/cluster/http_pools.h"

namespace sluice::cluster {

namespace {

/** At most so many connections are begun at once, as in Envoy: a ratio is caught up with over several requests. */
constexpr int kMostAtOnce = 3;

std::shared_ptr<const net::TransportSocketOptions> transportOptions(const ConnectionRecipe& recipe,
                                                                    PoolProtocol protocol,
                                                                    const LocalConnectionOptions& options) {
  if (!recipe.reads_options && !recipe.reads_addresses) {
    return nullptr;
  }
  auto made = options ? std::make_shared<net::TransportSocketOptions>(options->transport)
                      : std::make_shared<net::TransportSocketOptions>();
  if (protocol != PoolProtocol::Http1) {
    made->fallback_protocols.emplace_back("h2");
  }
  if (protocol != PoolProtocol::Http2) {
    made->fallback_protocols.emplace_back("http/1.1");
  }
  return made;
}

}  // namespace

HttpPool::HttpPool(HttpPools& owner, LocalCluster& cluster, const EndpointSet::Entry& entry,
                   std::shared_ptr<const ConnectionRecipe> recipe, PoolProtocol protocol, bool high_priority,
                   const LocalConnectionOptions& options)
    : owner_(owner),
      cluster_(cluster),
      info_(cluster.localInfo()),
      endpoint_(entry.endpoint),
      requests_(endpoint_->requestsOf(&cluster.dispatcher())),
      recipe_(std::move(recipe)),
      protocol_(protocol),
      options_(options),
      transport_options_(transportOptions(*recipe_, protocol, options)),
      high_priority_(high_priority),
      healthy_(toHealth(entry.health) == Health::Healthy) {}

HttpPool::~HttpPool() { (*info_)->breakers->of(high_priority_).pools.release(); }

std::unique_ptr<net::Connection> HttpPool::makeConnection() const {
  const net::Address& address = endpoint_->address();
  const net::TransportSocketTarget target{transport_options_, endpoint_->hostname()};
  if (options_ && options_->source.isIp()) {
    return net::Connection::client(cluster_.dispatcher(), address, recipe_->transport->create(target),
                                   socketOptions(*recipe_, &*options_));
  }
  return net::Connection::client(cluster_.dispatcher(), address, recipe_->transport->create(target), recipe_->socket);
}

void HttpPool::start(HttpRequest& request) {
  if (HttpClient* client = ready_.front()) {
    request.begin(*client);
    if (cluster_.info().preconnect.per_endpoint > 1) {
      connectAsNeeded();
    }
    return;
  }
  if (!request.limits().pending.tryAcquire()) {
    request.info().stats.upstream_rq_pending_overflow.inc();
    request.fail(PoolFailure::Overflow, "");
    goIfUnused();
    return;
  }
  waiting_.pushBack(request);
  countWaiting(1);
  request.beginWaiting();
  connectAsNeeded();
}

void HttpPool::countWaiting(int change) {
  waiting_count_ += static_cast<uint32_t>(change);
  owner_.connectivity().waiting += change;
}

void HttpPool::countActive(int change) {
  active_count_ += static_cast<uint32_t>(change);
  owner_.connectivity().active += change;
}

bool HttpPool::wantsConnection(double predictive_ratio) const {
  if (draining_ || !healthy_) {
    return waiting_count_ > connecting_capacity_;
  }
  if (predictive_ratio != 0) {
    return HttpPools::Connectivity{waiting_count_, active_count_, capacity_}.wantsConnection(predictive_ratio, 1);
  }
  return HttpPools::Connectivity{waiting_count_, active_count_, capacity_}.wantsConnection(
      cluster_.info().preconnect.per_endpoint, 0);
}

void HttpPool::connectAsNeeded() {
  for (int begun = 0; begun < kMostAtOnce && wantsConnection(0); ++begun) {
    if (!connect()) {
      return;
    }
  }
}

bool HttpPool::preconnect(double ratio) {
  const bool begun = wantsConnection(ratio) && connect();
  goIfUnused();
  return begun;
}

bool HttpPool::connect() {
  const ClusterInfo& info = cluster_.info();
  BreakerLimit& connections = info.breakers->of(high_priority_).connections;
  const bool cluster_lets = connections.tryAcquire();
  const bool endpoint_lets = cluster_lets && endpoint_->tryAcquireConnection(info.max_connections_per_endpoint);
  if (!endpoint_lets) {
    info.stats.upstream_cx_overflow.inc();
    if (hasClients()) {
      if (cluster_lets) {
        connections.release();
      }
      return false;
    }
    // With none at all the requests of this pool would wait for ever: it always gets one, as in Envoy.
    if (!cluster_lets) {
      connections.acquire();
    }
    endpoint_->tryAcquireConnection(std::nullopt);
  }
  // Its pool's lists hold it from here on; onClosed() gives it up.
  new HttpClient(*this, cluster_);
  return true;
}

void HttpPool::place(HttpClient& client, uint32_t room_before, bool was_connecting) {
  const uint32_t room = client.room();
  const int64_t change = int64_t{room} - room_before;
  capacity_ += change;
  owner_.connectivity().capacity += change;
  if (was_connecting) {
    connecting_capacity_ -= room_before;
  }
  if (client.connecting()) {
    connecting_capacity_ += room;
    connecting_.pushBack(client);
  } else if (room > 0) {
    ready_.pushFront(client);
  } else {
    others_.pushBack(client);
  }
}

void HttpPool::onRoom() {
  while (HttpRequest* next = waiting_.front()) {
    HttpClient* const client = ready_.front();
    if (client == nullptr) {
      connectAsNeeded();
      return;
    }
    next->begin(*client);
  }
  if (draining_) {
    drain();
  }
}

void HttpPool::onConnectFailure(PoolFailure failure, absl::string_view reason) {
  // All that wait are failed, as in Envoy; what comes meanwhile (retries) waits for another connection.
  base::IntrusiveList<HttpRequest> failed;
  failed.take(waiting_);
  while (HttpRequest* next = failed.front()) {
    next->fail(failure, reason);
  }
}

void HttpPool::onClosed(HttpClient& client) {
  client.ListHook::unlink();
  cluster_.dispatcher().deferredDelete(std::unique_ptr<event::DeferredDeletable>(&client));
  if (waiting_count_ > 0) {
    connectAsNeeded();
  }
  goIfUnused();
}

void HttpPool::onCancel() {
  if (draining_) {
    drain();
  }
  goIfUnused();
}

void HttpPool::drain() {
  draining_ = true;
  absl::InlinedVector<HttpClient*, 8> ending;
  ready_.forEach([&](HttpClient& client) { ending.push_back(&client); });
  others_.forEach([&](HttpClient& client) { ending.push_back(&client); });
  if (waiting_count_ == 0) {
    connecting_.forEach([&](HttpClient& client) { ending.push_back(&client); });
  }
  for (HttpClient* client : ending) {
    client->drain();
  }
  goIfUnused();
}

void HttpPool::goIfUnused() {
  if (!gone_ && waiting_count_ == 0 && !hasClients()) {
    gone_ = true;
    owner_.remove(*this);
  }
}

}  // namespace sluice::cluster
