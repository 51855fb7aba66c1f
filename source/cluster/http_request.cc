#include "source/cluster/http_request.h"

#include <new>
#include <utility>

#include "source/base/assert.h"
#include "source/cluster/http_client.h"
#include "source/cluster/http_pool.h"
#include "source/cluster/http_pools.h"

namespace sluice::cluster {

namespace {

/** Memory for one request each; bounded, so that a burst gives its memory back. */
struct FreeRequests {
  struct Free {
    Free* next;
  };
  static constexpr size_t kMaxKept = 1024;
  ~FreeRequests() {
    while (head != nullptr) {
      ::operator delete(std::exchange(head, head->next));
    }
  }
  Free* head = nullptr;
  size_t count = 0;
};

thread_local FreeRequests free_requests;

const std::shared_ptr<Endpoint> kNoEndpoint;

}  // namespace

void* HttpRequest::operator new(size_t size) {
  if (free_requests.head == nullptr) {
    return ::operator new(size);
  }
  --free_requests.count;
  return std::exchange(free_requests.head, free_requests.head->next);
}

void HttpRequest::operator delete(void* memory) {
  if (free_requests.count == FreeRequests::kMaxKept) {
    ::operator delete(memory);
    return;
  }
  ++free_requests.count;
  free_requests.head = new (memory) FreeRequests::Free{free_requests.head};
}

HttpRequest::HttpRequest(LocalCluster& cluster, const PickedEndpoint& picked, http::StreamReceiver& receiver,
                         HttpUpstreamCallbacks& callbacks, const HttpStreamOptions& options,
                         LocalConnectionOptions connection_options)
    : cluster_(&cluster),
      info_(cluster.localInfo()),
      endpoints_(picked.endpoints),
      entry_(picked.entry),
      receiver_(receiver),
      callbacks_(callbacks),
      connection_options_(std::move(connection_options)),
      downstream_protocol_(options.downstream_protocol),
      high_priority_(options.high_priority),
      exclusive_(options.exclusive) {}

HttpRequest::~HttpRequest() {
  switch (state_) {
    case State::Waiting:
      endWaiting();
      state_ = State::Ended;
      info().stats.upstream_rq_cancelled.inc();
      pool_->onCancel();
      break;
    case State::Streaming:
      reset(http::ResetReason::Local);
      break;
    case State::Idle:
    case State::Ended:
      break;
  }
}

const std::shared_ptr<Endpoint>& HttpRequest::endpoint() const {
  return entry_ == nullptr ? kNoEndpoint : entry_->endpoint;
}

EndpointRequests& HttpRequest::requests() const {
  if (requests_ == nullptr) {
    SLUICE_CHECK(entry_ != nullptr, "there is no endpoint whose requests could be counted");
    requests_ = &entry_->endpoint->requestsOf(&cluster_->dispatcher());
  }
  return *requests_;
}

void HttpRequest::start() {
  SLUICE_CHECK(state_ == State::Idle, "a request starts once");
  if (entry_ == nullptr) {
    info().stats.upstream_cx_none_healthy.inc();
    fail(PoolFailure::NoHealthyUpstream, "");
    return;
  }
  HttpPools& pools = cluster_->httpPools();
  if (info().preconnect.predictive > 1) {
    pools.preconnect(downstream_protocol_, high_priority_, connection_options_);
  }
  const ConnectionRecipe& recipe = *cluster_->info().recipeOf(*entry_);
  pool_ = pools.find(*entry_, recipe.http.protocolFor(downstream_protocol_, recipe.tls), high_priority_,
                     connection_options_);
  if (pool_ == nullptr) {
    // As Envoy has it, there is then no pool, and so nothing healthy.
    fail(PoolFailure::NoHealthyUpstream, "");
    return;
  }
  requests_ = &pool_->requests();
  // Last: it may delete this.
  pool_->start(*this);
}

void HttpRequest::beginWaiting() {
  state_ = State::Waiting;
  const ClusterStats& stats = info().stats;
  stats.upstream_rq_pending_total.inc();
  stats.upstream_rq_pending_active.inc();
  requests_->addPending(1);
}

void HttpRequest::endWaiting() {
  unlink();
  limits().pending.release();
  info().stats.upstream_rq_pending_active.dec();
  requests_->addPending(-1);
  pool_->countWaiting(-1);
}

void HttpRequest::fail(PoolFailure failure, absl::string_view details) {
  if (state_ == State::Waiting) {
    endWaiting();
    if (failure != PoolFailure::Overflow) {
      info().stats.upstream_rq_pending_failure_eject.inc();
    }
  }
  state_ = State::Ended;
  callbacks_.onPoolFailure(failure, details);
}

void HttpRequest::begin(HttpClient& client) {
  if (state_ == State::Waiting) {
    endWaiting();
    state_ = State::Idle;
  }
  const ClusterStats& stats = info().stats;
  if (!limits().requests.tryAcquire()) {
    stats.upstream_rq_active_overflow.inc();
    fail(PoolFailure::Overflow, "");
    return;
  }
  state_ = State::Streaming;
  client_ = &client;
  stats.upstream_rq_total.inc();
  stats.upstream_rq_active.inc();
  requests_->countTotal();
  requests_->addActive(1);
  pool_->countActive(1);
  client.add(*this, exclusive_ && client.protocol() != http::Protocol::Http2);
  sender_ = &client.codec().newStream(receiver_);
  callbacks_.onPoolReady({.sender = sender_, .connection = &client.connection(), .protocol = client.protocol()});
}

void HttpRequest::endStream() {
  state_ = State::Ended;
  sender_ = nullptr;
  limits().requests.release();
  info().stats.upstream_rq_active.dec();
  requests_->addActive(-1);
  pool_->countActive(-1);
  std::exchange(client_, nullptr)->remove(*this);
}

void HttpRequest::onStreamEnd(std::optional<http::ResetReason> reset) {
  if (state_ != State::Streaming) {
    return;
  }
  // As Envoy counts them: a connection of HTTP/1 tells of its end, not of its request's.
  if (reset.has_value() && client_->protocol() == http::Protocol::Http2) {
    const ClusterStats& stats = info().stats;
    switch (*reset) {
      case http::ResetReason::ConnectionFailure:
      case http::ResetReason::ConnectionTimeout:
      case http::ResetReason::ConnectionTermination:
        stats.upstream_rq_pending_failure_eject.inc();
        break;
      case http::ResetReason::Local:
      case http::ResetReason::LocalNoError:
      case http::ResetReason::ProtocolError:
        stats.upstream_rq_tx_reset.inc();
        break;
      case http::ResetReason::Remote:
        stats.upstream_rq_rx_reset.inc();
        break;
      case http::ResetReason::LocalRefused:
      case http::ResetReason::RemoteRefused:
      case http::ResetReason::Overflow:
        break;
    }
  }
  endStream();
}

void HttpRequest::reset(http::ResetReason reason) {
  if (state_ != State::Streaming) {
    return;
  }
  // HTTP/1 closes its connection by this, which is then closed with a request on it.
  sender_->reset(reason);
  onStreamEnd(reason);
}

void HttpRequest::onConnectionGone() { onStreamEnd(http::ResetReason::ConnectionTermination); }

void HttpRequest::describe(net::UpstreamInfo& to) const {
  to.cluster_name = info().name;
  to.cluster_alt_stat_name = info().observability_name;
  to.cluster_metadata = info().metadata;
  if (entry_ != nullptr) {
    to.host_metadata = entry_->metadata;
    to.host_name = entry_->endpoint->logName();
    to.host = entry_->endpoint->address();
  }
  if (client_ != nullptr) {
    client_->describe(to);
  }
  if (sender_ != nullptr) {
    to.bytes_sent = sender_->wireBytesSent();
    to.bytes_received = sender_->wireBytesReceived();
  }
}

}  // namespace sluice::cluster
