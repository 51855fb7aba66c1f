#include "source/filters/network/upstream_drainer.h"

namespace sluice::filters {
namespace {
/** Nobody is left who could end it: it may not hold its place in the circuit breaker for ever. */
constexpr std::chrono::minutes kLongestWithoutIdleTimeout{5};
}  // namespace

class UpstreamDrainer::Draining final : public event::DeferredDeletable, public net::ConnectionCallbacks {
 public:
  Draining(UpstreamDrainer& owner, std::unique_ptr<cluster::TcpUpstream> upstream,
           std::shared_ptr<const net::NetworkFilterConfig> config)
      : owner_(owner), upstream_(std::move(upstream)), config_(std::move(config)) {
    stats().upstream_flush_total.inc();
    stats().upstream_flush_active.inc();
  }
  ~Draining() override {
    upstream_->connection().removeCallbacks(*this);
    stats().upstream_flush_active.dec();
  }

  void start() {
    net::Connection& connection = upstream_->connection();
    connection.addCallbacks(*this);
    const std::chrono::milliseconds idle =
        static_cast<const TcpProxyConfig&>(*config_).settings().idle_timeout.value_or(kLongestWithoutIdleTimeout);
    timer_ = owner_.dispatcher_.createTimer([this, idle] { onTimer(idle); });
    timer_->enable(idle);
    // What the upstream still sends has no reader any more.
    connection.close(net::CloseType::FlushWrite);
  }

  void onEvent(net::ConnectionEvent event) override {
    if (event == net::ConnectionEvent::Connected) {
      return;
    }
    timer_.reset();
    const auto self = owner_.draining_.find(this);
    owner_.dispatcher_.deferredDelete(std::move(self->second));
    owner_.draining_.erase(self);
  }

 private:
  const TcpProxyStats& stats() const { return static_cast<const TcpProxyConfig&>(*config_).stats(); }

  void onTimer(std::chrono::milliseconds timeout) {
    net::Connection& connection = upstream_->connection();
    const auto quiet = owner_.dispatcher_.now() - connection.lastActivity();
    if (quiet < timeout) {
      timer_->enable(std::chrono::ceil<std::chrono::milliseconds>(timeout - quiet));
      return;
    }
    stats().idle_timeout.inc();
    connection.close(net::CloseType::NoFlush);
  }

  UpstreamDrainer& owner_;
  std::unique_ptr<cluster::TcpUpstream> upstream_;
  const std::shared_ptr<const net::NetworkFilterConfig> config_;
  std::unique_ptr<event::Timer> timer_;
};

UpstreamDrainer::UpstreamDrainer(event::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
UpstreamDrainer::~UpstreamDrainer() = default;

void UpstreamDrainer::drain(std::unique_ptr<cluster::TcpUpstream> upstream,
                            std::shared_ptr<const net::NetworkFilterConfig> config) {
  auto draining = std::make_unique<Draining>(*this, std::move(upstream), std::move(config));
  Draining& started = *draining;
  draining_.emplace(&started, std::move(draining));
  started.start();
}

}  // namespace sluice::filters
