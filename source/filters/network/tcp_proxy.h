#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/access_log/logger.h"
#include "source/cluster/local_clusters.h"
#include "source/cluster/tcp_upstream.h"
#include "source/net/connection.h"
#include "source/net/filter.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace sluice::filters {

/** tcp.<stat_prefix>.*, with Envoy's names. */
struct TcpProxyStats {
  explicit TcpProxyStats(stats::Scope& scope);

  stats::Counter downstream_cx_total;
  stats::Counter downstream_cx_no_route;
  stats::Counter downstream_cx_rx_bytes_total;
  stats::Gauge downstream_cx_rx_bytes_buffered;
  stats::Counter downstream_cx_tx_bytes_total;
  stats::Gauge downstream_cx_tx_bytes_buffered;
  stats::Counter downstream_flow_control_paused_reading_total;
  stats::Counter downstream_flow_control_resumed_reading_total;
  stats::Counter idle_timeout;
  stats::Counter max_downstream_connection_duration;
  stats::Counter upstream_flush_total;
  stats::Gauge upstream_flush_active;
};

/** What a TcpProxy message says, as plain data. */
struct TcpProxySettings {
  /** The structural part: a connection belongs to its cluster. Empty where there are several. */
  std::string cluster;
  struct WeightedCluster {
    std::string name;
    uint32_t weight = 0;
  };
  /** Each attempt draws one of them; which there are is structural, their weights are not. */
  std::vector<WeightedCluster> weighted_clusters;
  uint64_t total_weight = 0;

  /** From here on: what reaches live connections. */
  std::string stat_prefix;
  /** Without bytes either way; none when disabled. */
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> max_connection_duration;
  /** For balancers that hash: a client's connections go to one endpoint. */
  bool hash_source_ip = false;
  uint32_t max_connect_attempts = 1;
  /** Between attempts: jittered, doubling from `backoff_base` up to `backoff_max`; none retries at once. */
  std::optional<std::chrono::milliseconds> backoff_base;
  std::chrono::milliseconds backoff_max{0};
  access_log::AccessLoggers access_logs;
  bool log_on_connected = false;
  std::optional<std::chrono::milliseconds> log_interval;
};

/** Upstream connections of one worker whose client has gone, while the bytes that it left are written out. */
class UpstreamDrainer;

/** One tcp_proxy of a filter chain. Made on main; shared. */
class TcpProxyConfig : public net::NetworkFilterConfig {
 public:
  TcpProxyConfig(TcpProxySettings settings, stats::ScopePtr scope, const cluster::ClusterProvider& clusters,
                 const thread::Slot<UpstreamDrainer>& drainers);

  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return true; }

  const TcpProxySettings& settings() const { return settings_; }
  const TcpProxyStats& stats() const { return stats_; }
  const cluster::ClusterProvider& clusters() const { return clusters_; }
  UpstreamDrainer& drainer() const { return *drainers_.get(); }

 private:
  const TcpProxySettings settings_;
  const stats::ScopePtr scope_;
  const TcpProxyStats stats_;
  const cluster::ClusterProvider& clusters_;
  const thread::Slot<UpstreamDrainer>& drainers_;
  const config::ContentKey structural_key_;
};

/**
 * Joins one downstream connection with one upstream connection. A read filter of the downstream connection, which owns
 * it; on its worker. Any callback may close either connection; nothing is destroyed before the stack has unwound.
 *
 *                    attempt fails, another is left (after the back-off)
 *                       +----------------+
 *                       v                |
 *   onNewConnection -> Connecting -------+---> Established --either side gone--> Done
 *                       |  no endpoint, overflow, attempts used up, client gone   ^
 *                       +---------------------------------------------------------+
 *
 * Reading from the client waits until the upstream connection stands. Each side's end is passed on to the other side
 * while the opposite direction goes on. A full write buffer of one side stops reading from the other.
 */
class TcpProxy final : public net::ReadFilter,
                       public net::ConnectionCallbacks,
                       public cluster::TcpUpstreamCallbacks,
                       private event::IntrusiveTask {
 public:
  explicit TcpProxy(net::LiveFilterConfig& live);
  ~TcpProxy() override;

  // net::ReadFilter
  void initialize(net::ReadFilterCallbacks& callbacks) override;
  net::FilterStatus onNewConnection() override;
  net::FilterStatus onData(net::Buffer& data, bool end_stream) override;
  bool startUpstreamSecureTransport() override;

  // net::ConnectionCallbacks of the downstream connection
  void onEvent(net::ConnectionEvent event) override;
  void onAboveWriteBufferHighWatermark() override;
  void onBelowWriteBufferLowWatermark() override;

  // cluster::TcpUpstreamCallbacks
  void onUpstreamConnected() override;
  void onUpstreamFailure(cluster::TcpFailure failure, absl::string_view details) override;

 private:
  enum class State : uint8_t { Connecting, Established, Done };
  static constexpr base::MonotonicTime kNoRetry = base::MonotonicTime::max();

  /** The upstream connection's side of the pair. */
  class UpstreamSide final : public net::ConnectionCallbacks {
   public:
    explicit UpstreamSide(TcpProxy& proxy) : proxy_(proxy) {}
    void onEvent(net::ConnectionEvent event) override;
    void onAboveWriteBufferHighWatermark() override;
    void onBelowWriteBufferLowWatermark() override;

   private:
    TcpProxy& proxy_;
  };
  class UpstreamReader;
  const TcpProxyConfig& config() const { return live_.as<TcpProxyConfig>(); }
  net::Connection& downstream() { return callbacks_->connection(); }

  absl::string_view drawCluster() const;
  void startAttempt();
  void giveUp(uint64_t response_flags);
  void onUpstreamEvent(net::ConnectionEvent event);
  void finish(net::ConnectionEvent downstream_event);

  /** The configuration was replaced by a newer version. */
  void run() override;
  void countInto(const TcpProxyStats& stats);
  std::optional<base::MonotonicTime> nextDeadline();
  void armTimer();
  void onTimer();
  base::MonotonicTime lastActivity();
  void log(access_log::LogType type);

  net::LiveFilterConfig& live_;
  net::ReadFilterCallbacks* callbacks_ = nullptr;
  std::unique_ptr<cluster::TcpUpstream> upstream_;
  UpstreamSide upstream_side_;
  /** One timer for whatever is due first: the back-off, then idleness, the longest life, the periodic access log. */
  std::unique_ptr<event::Timer> timer_;
  base::MonotonicTime last_log_;
  /** kNoRetry while none is waited for. */
  base::MonotonicTime retry_at_ = kNoRetry;
  UpstreamReader* reader_ = nullptr;
  State state_ = State::Connecting;
  uint32_t attempts_ = 0;
};

}  // namespace sluice::filters
