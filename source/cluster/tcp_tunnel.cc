#include "source/cluster/tcp_tunnel.h"

#include <utility>

#include "source/base/assert.h"
#include "source/http/header_map.h"

namespace sluice::cluster {
namespace {

const std::shared_ptr<Endpoint> kNoEndpoint;

PoolFailure poolFailureOf(TcpFailure failure) {
  switch (failure) {
    case TcpFailure::NoHealthyUpstream:
      return PoolFailure::NoHealthyUpstream;
    case TcpFailure::Overflow:
      return PoolFailure::Overflow;
    case TcpFailure::ConnectTimeout:
      return PoolFailure::ConnectTimeout;
    case TcpFailure::ConnectFailure:
      break;
  }
  return PoolFailure::RemoteConnectionFailure;
}

}  // namespace

/** Hands what the upstream sends to the tunnel, for as long as there is one. Owned by the upstream connection. */
class TcpTunnel::Reader final : public net::ReadFilter {
 public:
  explicit Reader(TcpTunnel& tunnel) : tunnel_(&tunnel) {}
  void detach() { tunnel_ = nullptr; }

  void initialize(net::ReadFilterCallbacks&) override {}
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }
  net::FilterStatus onData(net::Buffer& data, bool end_stream) override {
    if (tunnel_ != nullptr) {
      tunnel_->receiver_.onData(data, end_stream);
    }
    data.clear();
    return net::FilterStatus::StopIteration;
  }

 private:
  TcpTunnel* tunnel_;
};

TcpTunnel::TcpTunnel(LocalCluster& cluster, http::StreamReceiver& receiver, HttpUpstreamCallbacks& callbacks,
                     const LoadBalancerContext& context)
    : cluster_(&cluster), info_(cluster.localInfo()), receiver_(receiver), callbacks_(callbacks), context_(context) {}

TcpTunnel::~TcpTunnel() { leave(); }

const std::shared_ptr<Endpoint>& TcpTunnel::endpoint() const {
  return upstream_ == nullptr ? kNoEndpoint : upstream_->endpoint();
}

EndpointRequests& TcpTunnel::requests() const {
  SLUICE_CHECK(upstream_ != nullptr, "there is no endpoint whose requests could be counted");
  return upstream_->endpoint()->requestsOf(&cluster_->dispatcher());
}

void TcpTunnel::start() {
  SLUICE_CHECK(state_ == State::Idle, "a tunnel starts once");
  state_ = State::Connecting;
  TcpConnectResult result = cluster_->connectTcp(*this, context_);
  if (const auto* failure = std::get_if<TcpFailure>(&result)) {
    state_ = State::Ended;
    // Last: it may delete this.
    callbacks_.onPoolFailure(poolFailureOf(*failure), "");
    return;
  }
  upstream_ = std::move(std::get<std::unique_ptr<TcpUpstream>>(result));
}

void TcpTunnel::describe(net::UpstreamInfo& to) const {
  if (upstream_ != nullptr) {
    upstream_->describe(to);
    return;
  }
  const ClusterInfo& info = **info_;
  to.cluster_name = info.name;
  to.cluster_alt_stat_name = info.observability_name;
  to.cluster_metadata = info.metadata;
}

void TcpTunnel::onUpstreamConnected() {
  state_ = State::Streaming;
  net::Connection& connection = upstream_->connection();
  auto reader = std::make_unique<Reader>(*this);
  reader_ = reader.get();
  connection.addReadFilter(std::move(reader));
  connection.addCallbacks(*this);
  callbacks_.onPoolReady({.sender = this, .connection = &connection, .protocol = http::Protocol::Http11});
}

void TcpTunnel::onUpstreamFailure(TcpFailure failure, absl::string_view details) {
  state_ = State::Ended;
  callbacks_.onPoolFailure(poolFailureOf(failure), details);
}

void TcpTunnel::sendHeaders(const http::HeaderMap&, bool end_stream) {
  if (end_stream) {
    net::Buffer nothing;
    upstream_->connection().write(nothing, true);
  }
  // Not from within the sending of the request.
  cluster_->dispatcher().runAtUnwind(*this);
}

void TcpTunnel::run() {
  if (state_ != State::Streaming) {
    return;
  }
  base::Arena& arena = receiver_.arena();
  auto* const headers = arena.make<http::HeaderMap>(arena);
  headers->addView(http::HeaderId::Status, "200");
  receiver_.onHeaders(*headers, false);
  if (state_ == State::Streaming) {
    upstream_->connection().initializeReadFilters();
  }
}

void TcpTunnel::sendData(net::Buffer& data, bool end_stream) {
  if (state_ == State::Streaming) {
    upstream_->connection().write(data, end_stream);
  } else {
    data.clear();
  }
}

void TcpTunnel::sendTrailers(const http::HeaderMap&) {
  net::Buffer nothing;
  sendData(nothing, true);
}

void TcpTunnel::readDisable(bool disable) {
  if (state_ != State::Streaming) {
    return;
  }
  if (disable) {
    upstream_->pauseReading();
  } else {
    upstream_->resumeReading();
  }
}

uint64_t TcpTunnel::wireBytesSent() const { return upstream_ == nullptr ? 0 : upstream_->connection().bytesSent(); }

uint64_t TcpTunnel::wireBytesReceived() const {
  return upstream_ == nullptr ? 0 : upstream_->connection().bytesReceived();
}

void TcpTunnel::onEvent(net::ConnectionEvent event) {
  if (event == net::ConnectionEvent::Connected || state_ != State::Streaming) {
    return;
  }
  state_ = State::Ended;
  receiver_.onReset(http::ResetReason::ConnectionTermination, "");
}

void TcpTunnel::onAboveWriteBufferHighWatermark() { receiver_.onAboveWriteBufferHighWatermark(); }

void TcpTunnel::onBelowWriteBufferLowWatermark() { receiver_.onBelowWriteBufferLowWatermark(); }

void TcpTunnel::onStreamEnd(std::optional<http::ResetReason>) { leave(); }

void TcpTunnel::reset(http::ResetReason) { leave(); }

void TcpTunnel::leave() {
  state_ = State::Ended;
  unlink();
  if (reader_ != nullptr) {
    std::exchange(reader_, nullptr)->detach();
    net::Connection& connection = upstream_->connection();
    connection.removeCallbacks(*this);
    if (connection.state() == net::Connection::State::Open) {
      // What the client sent last still goes out, as far as the kernel takes it now.
      connection.close(net::CloseType::FlushWrite);
    }
  }
}

}  // namespace sluice::cluster
