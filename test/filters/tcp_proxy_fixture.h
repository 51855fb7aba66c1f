#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "source/filters/network/tcp_proxy.h"
#include "source/filters/network/upstream_drainer.h"
#include "source/net/connection.h"
#include "source/net/raw_transport_socket.h"
#include "test/cluster/local_clusters_fixture.h"

namespace sluice::test {

/** What one line of an access log would be made of. */
struct Logged {
  access_log::LogType type;
  uint64_t flags;
  uint64_t received;
  uint64_t sent;
  std::string cluster;
  uint32_t attempts;
  std::string failure;
  bool ended;
};

class RecordingLogger final : public access_log::AccessLogger {
 public:
  explicit RecordingLogger(std::vector<Logged>& to) : to_(to) {}
  void log(const access_log::LogContext& context) const override {
    const net::StreamInfo& info = context.info;
    const net::UpstreamInfo* up = info.upstream.get();
    to_.push_back({context.type, info.response_flags, info.bytes_received, info.bytes_sent,
                   up != nullptr && up->cluster_name != nullptr ? *up->cluster_name : "",
                   up != nullptr ? up->attempts : 0, up != nullptr ? up->transport_failure_reason : "",
                   info.end_monotonic.has_value()});
  }

 private:
  std::vector<Logged>& to_;
};

/** One downstream connection with a tcp_proxy, over real sockets; its client's end is the test's. */
class Downstream final : public net::ConnectionCallbacks {
 public:
  Downstream(event::Dispatcher& dispatcher, std::shared_ptr<const net::NetworkFilterConfig> config)
      : dispatcher_(dispatcher), live_(std::move(config)) {
    auto [ours, theirs] = tcpPair();
    client = std::move(theirs);
    net::StreamInfo info;
    info.start_monotonic = dispatcher_.now();
    connection_ = net::Connection::server(dispatcher_, std::move(ours), net::RawTransportSocketFactory().create({}),
                                          std::move(info));
    connection_->addCallbacks(*this);
    dispatcher_.post([this] {
      live_.shared()->addTo(*connection_, live_);
      connection_->initializeReadFilters();
    });
  }
  ~Downstream() override {
    if (!closed) {
      connection_->close(net::CloseType::NoFlush);
    }
    dispatcher_.deferredDelete(std::move(connection_));
    dispatcher_.clearDeferredDeletes();
  }

  void onEvent(net::ConnectionEvent event) override { closed = closed || event != net::ConnectionEvent::Connected; }
  net::LiveFilterConfig& live() { return live_; }
  net::Connection& connection() { return *connection_; }

  net::Socket client;
  Received got;
  bool closed = false;

 private:
  event::Dispatcher& dispatcher_;
  net::LiveFilterConfig live_;
  std::unique_ptr<net::Connection> connection_;
};

class TcpProxyFixture : public LocalClustersFixture, public cluster::ClusterProvider {
 protected:
  TcpProxyFixture() : LocalClustersFixture("main_thread") {}
  ~TcpProxyFixture() override {
    clear();
    drainers_.reset();
    slots_.shutdownThread(dispatcher_);
    dispatcher_.clearDeferredDeletes();
  }
  cluster::LocalClusters& localClusters() const override { return *clusters_; }

  void setCluster(std::unique_ptr<cluster::ClusterInfo> info, const std::vector<net::Address>& addresses) {
    std::vector<std::shared_ptr<cluster::Endpoint>> endpoints;
    for (const net::Address& address : addresses) {
      endpoints.push_back(std::make_shared<cluster::Endpoint>(address, ""));
    }
    add(std::move(info), makeSet(endpoints));
  }
  /** The cluster "be" at the backend's address. */
  void setCluster() { setCluster(makeInfo(), {backend_.address}); }
  /** Nobody listens there any more. */
  net::Address deadAddress() { return listenOnLoopback().address; }

  filters::TcpProxySettings settings() {
    filters::TcpProxySettings made;
    made.cluster = "be";
    made.stat_prefix = "t";
    made.access_logs = {std::make_shared<RecordingLogger>(logged_)};
    return made;
  }
  std::shared_ptr<const filters::TcpProxyConfig> config(filters::TcpProxySettings settings) {
    auto scope = store_.createScope("tcp." + settings.stat_prefix);
    return std::make_shared<filters::TcpProxyConfig>(std::move(settings), std::move(scope), *this, *drainers_);
  }
  std::unique_ptr<Downstream> open(filters::TcpProxySettings settings) {
    return std::make_unique<Downstream>(dispatcher_, config(std::move(settings)));
  }
  bool receives(const net::Socket& socket, Received& into, const std::string& bytes) {
    return until([&] {
      receiveSome(socket, into);
      return into.bytes == bytes;
    });
  }
  bool ends(const net::Socket& socket, Received& into) {
    return until([&] {
      receiveSome(socket, into);
      return into.end || into.error != 0;
    });
  }
  /** Of all of the store. */
  uint64_t counter(const std::string& name) const { return store_.counterValue(name); }
  uint64_t gauge(const std::string& name) const { return store_.gaugeValue(name); }

  thread::SlotAllocator slots_{dispatcher_};
  std::unique_ptr<thread::Slot<filters::UpstreamDrainer>> drainers_ =
      std::make_unique<thread::Slot<filters::UpstreamDrainer>>(
          slots_, [](event::Dispatcher& dispatcher) { return std::make_unique<filters::UpstreamDrainer>(dispatcher); });
  std::vector<Logged> logged_;
};

}  // namespace sluice::test
