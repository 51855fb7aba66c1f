#include "source/filters/network/tcp_proxy.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "source/base/logging.h"
#include "source/base/random.h"
#include "source/cluster/load_balancer.h"
#include "source/filters/network/upstream_drainer.h"

namespace sluice::filters {

using net::CloseType;
using net::ConnectionEvent;
using net::FilterStatus;
namespace flag = net::response_flag;

namespace {

/** Of the filter state: a filter before this one chose the cluster. */
constexpr absl::string_view kClusterObject = "envoy.tcp_proxy.cluster";
/** How long a client whose upstream has gone may go without taking any of what is left for it, or without closing. */
constexpr std::chrono::seconds kLongestGoodbye{30};

config::ContentKey structuralKeyOf(const TcpProxySettings& settings) {
  std::string text = absl::StrCat("tcp_proxy\n", settings.cluster);
  for (const TcpProxySettings::WeightedCluster& each : settings.weighted_clusters) {
    absl::StrAppend(&text, "\nor ", each.name);
  }
  return config::contentKey(text);
}

}  // namespace

TcpProxyStats::TcpProxyStats(stats::Scope& scope)
    : downstream_cx_total(scope.counter("downstream_cx_total")),
      downstream_cx_no_route(scope.counter("downstream_cx_no_route")),
      downstream_cx_rx_bytes_total(scope.counter("downstream_cx_rx_bytes_total")),
      downstream_cx_rx_bytes_buffered(scope.gauge("downstream_cx_rx_bytes_buffered")),
      downstream_cx_tx_bytes_total(scope.counter("downstream_cx_tx_bytes_total")),
      downstream_cx_tx_bytes_buffered(scope.gauge("downstream_cx_tx_bytes_buffered")),
      downstream_flow_control_paused_reading_total(scope.counter("downstream_flow_control_paused_reading_total")),
      downstream_flow_control_resumed_reading_total(scope.counter("downstream_flow_control_resumed_reading_total")),
      idle_timeout(scope.counter("idle_timeout")),
      max_downstream_connection_duration(scope.counter("max_downstream_connection_duration")),
      upstream_flush_total(scope.counter("upstream_flush_total")),
      upstream_flush_active(scope.gauge("upstream_flush_active")) {}

TcpProxyConfig::TcpProxyConfig(TcpProxySettings settings, stats::ScopePtr scope,
                               const cluster::ClusterProvider& clusters, const thread::Slot<UpstreamDrainer>& drainers)
    : settings_(std::move(settings)),
      scope_(std::move(scope)),
      stats_(*scope_),
      clusters_(clusters),
      drainers_(drainers),
      structural_key_(structuralKeyOf(settings_)) {}

void TcpProxyConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<TcpProxy>(live));
}

/** Hands what the upstream sends to the proxy, for as long as there is one. Owned by the upstream connection. */
class TcpProxy::UpstreamReader final : public net::ReadFilter {
 public:
  explicit UpstreamReader(TcpProxy& proxy) : proxy_(&proxy) {}
  void detach() { proxy_ = nullptr; }

  void initialize(net::ReadFilterCallbacks&) override {}
  FilterStatus onNewConnection() override { return FilterStatus::Continue; }
  FilterStatus onData(net::Buffer& data, bool end_stream) override {
    if (proxy_ == nullptr) {
      data.clear();
    } else {
      proxy_->downstream().write(data, end_stream);
    }
    return FilterStatus::StopIteration;
  }

 private:
  TcpProxy* proxy_;
};

void TcpProxy::UpstreamSide::onEvent(ConnectionEvent event) { proxy_.onUpstreamEvent(event); }

void TcpProxy::UpstreamSide::onAboveWriteBufferHighWatermark() {
  proxy_.downstream().readDisable(true);
  proxy_.config().stats().downstream_flow_control_paused_reading_total.inc();
}

void TcpProxy::UpstreamSide::onBelowWriteBufferLowWatermark() {
  proxy_.downstream().readDisable(false);
  proxy_.config().stats().downstream_flow_control_resumed_reading_total.inc();
}

TcpProxy::TcpProxy(net::LiveFilterConfig& live) : live_(live), upstream_side_(*this) {}

TcpProxy::~TcpProxy() { SLUICE_CHECK(upstream_ == nullptr, "a connection went without a close event"); }

void TcpProxy::initialize(net::ReadFilterCallbacks& callbacks) {
  callbacks_ = &callbacks;
  net::Connection& connection = downstream();
  connection.enableHalfClose(true);
  connection.addCallbacks(*this);
  countInto(config().stats());
  live_.atReplace(*this);
}

FilterStatus TcpProxy::onNewConnection() {
  config().stats().downstream_cx_total.inc();
  // Nothing is read that could not be passed on.
  downstream().readDisable(true);
  armTimer();
  startAttempt();
  return FilterStatus::StopIteration;
}

absl::string_view TcpProxy::drawCluster() const {
  const TcpProxySettings& settings = config().settings();
  if (settings.weighted_clusters.empty()) {
    return settings.cluster;
  }
  uint64_t drawn = base::threadRandom().below(settings.total_weight);
  for (const TcpProxySettings::WeightedCluster& each : settings.weighted_clusters) {
    if (drawn < each.weight) {
      return each.name;
    }
    drawn -= each.weight;
  }
  return settings.weighted_clusters.back().name;
}

void TcpProxy::startAttempt() {
  ++attempts_;
  std::string chosen;
  absl::string_view name = drawCluster();
  if (const net::FilterState::Object* object = downstream().streamInfo().filterState(kClusterObject)) {
    chosen = object->serialize();
    name = chosen;
  }
  cluster::LocalCluster* const cluster = config().clusters().localClusters().find(name);
  if (cluster == nullptr) {
    LOG_DEBUG(filter, "tcp_proxy: there is no cluster '{}' for connection {}", name, downstream().id());
    config().stats().downstream_cx_no_route.inc();
    giveUp(flag::kNoClusterFound);
    return;
  }
  cluster::LoadBalancerContext context(downstream().streamInfo());
  if (config().settings().hash_source_ip && context.downstream->downstream_remote.isIp()) {
    const std::string ip = context.downstream->downstream_remote.ipString();
    context.hash = XXH64(ip.data(), ip.size(), 0);
  }
  auto& info = downstream().streamInfo().upstream;
  cluster::TcpConnectResult result = cluster->connectTcp(*this, context);
  if (const auto* failure = std::get_if<cluster::TcpFailure>(&result)) {
    if (info == nullptr) {
      info = std::make_unique<net::UpstreamInfo>();
    }
    info->cluster_name = cluster->info().name;
    info->cluster_alt_stat_name = cluster->info().observability_name;
    info->cluster_metadata = cluster->info().metadata;
    giveUp(*failure == cluster::TcpFailure::Overflow ? flag::kUpstreamOverflow : flag::kNoHealthyUpstream);
    return;
  }
  upstream_ = std::move(std::get<std::unique_ptr<cluster::TcpUpstream>>(result));
  if (info == nullptr) {
    info = std::make_unique<net::UpstreamInfo>();
  }
  info->attempts = attempts_;
  upstream_->describe(*info);
}

void TcpProxy::onUpstreamFailure(cluster::TcpFailure, absl::string_view details) {
  net::StreamInfo& info = downstream().streamInfo();
  upstream_->describe(*info.upstream);
  info.upstream->transport_failure_reason = std::string(details);
  info.response_flags |= flag::kUpstreamConnectionFailure;
  const TcpProxySettings& settings = config().settings();
  if (attempts_ >= settings.max_connect_attempts) {
    upstream_->countAttemptsExceeded();
    upstream_.reset();
    giveUp(flag::kUpstreamRetryLimitExceeded);
    return;
  }
  upstream_.reset();
  std::chrono::milliseconds wait{0};
  if (settings.backoff_base.has_value()) {
    const uint32_t doublings = std::min(attempts_ - 1, 20u);
    const auto longest = std::min(*settings.backoff_base * (int64_t{1} << doublings), settings.backoff_max);
    wait = std::chrono::milliseconds(base::threadRandom().below(static_cast<uint64_t>(longest.count()) + 1));
  }
  retry_at_ = downstream().dispatcher().now() + wait;
  armTimer();
}

void TcpProxy::giveUp(uint64_t response_flags) {
  downstream().streamInfo().response_flags |= response_flags;
  downstream().close(CloseType::NoFlush);
}

void TcpProxy::onUpstreamConnected() {
  state_ = State::Established;
  net::StreamInfo& info = downstream().streamInfo();
  info.response_flags &= ~flag::kUpstreamConnectionFailure;
  upstream_->describe(*info.upstream);
  net::Connection& upstream = upstream_->connection();
  auto reader = std::make_unique<UpstreamReader>(*this);
  reader_ = reader.get();
  upstream.addReadFilter(std::move(reader));
  upstream.addCallbacks(upstream_side_);
  // Once a direction streams, its bytes need not come up to us.
  downstream().spliceTo(upstream);
  upstream.spliceTo(downstream());
  upstream.initializeReadFilters();
  if (state_ != State::Established) {
    return;
  }
  downstream().readDisable(false);
  if (config().settings().log_on_connected) {
    log(access_log::LogType::TcpUpstreamConnected);
  }
  last_log_ = downstream().dispatcher().now();
  armTimer();
}

FilterStatus TcpProxy::onData(net::Buffer& data, bool end_stream) {
  if (state_ == State::Established) {
    upstream_->connection().write(data, end_stream);
  } else {
    data.clear();
  }
  return FilterStatus::StopIteration;
}

bool TcpProxy::startUpstreamSecureTransport() {
  return state_ == State::Established && upstream_->connection().startSecureTransport();
}

void TcpProxy::onAboveWriteBufferHighWatermark() {
  if (state_ == State::Established) {
    upstream_->pauseReading();
  }
}

void TcpProxy::onBelowWriteBufferLowWatermark() {
  if (state_ == State::Established) {
    upstream_->resumeReading();
  }
}

void TcpProxy::onEvent(ConnectionEvent event) {
  if (event == ConnectionEvent::Connected) {
    return;
  }
  if (event == ConnectionEvent::RemoteClose && state_ == State::Connecting) {
    downstream().streamInfo().response_flags |= flag::kDownstreamConnectionTermination;
  }
  if (state_ != State::Done) {
    finish(event);
  }
  downstream().streamInfo().end_monotonic = downstream().dispatcher().now();
  log(access_log::LogType::TcpConnectionEnd);
}

void TcpProxy::onUpstreamEvent(ConnectionEvent event) {
  if (state_ == State::Done) {
    return;
  }
  if (event == ConnectionEvent::Connected) {
    // It has gone over to TLS, of which access logs that are written before the end tell, too.
    upstream_->describe(*downstream().streamInfo().upstream);
    return;
  }
  const bool broken = event == ConnectionEvent::RemoteClose && upstream_->connection().endedByError();
  finish(ConnectionEvent::LocalClose);
  downstream().setDelayedCloseTimeout(kLongestGoodbye);
  if (broken) {
    // As in Envoy: what came is passed on, and then the reset, as an end would say that it was all.
    downstream().streamInfo().response_flags |= flag::kUpstreamRemoteReset;
    downstream().resetOnClose();
    downstream().close(CloseType::FlushWrite);
    return;
  }
  // What the upstream has sent is still delivered: to a client that takes it, and without the RST that a client's unread
  // bytes would cause.
  downstream().close(CloseType::FlushWriteAndDelay);
}

void TcpProxy::finish(ConnectionEvent downstream_event) {
  const bool was_established = state_ == State::Established;
  state_ = State::Done;
  timer_.reset();
  if (upstream_ == nullptr) {
    return;
  }
  upstream_->describe(*downstream().streamInfo().upstream);
  net::Connection& upstream = upstream_->connection();
  if (was_established) {
    upstream.removeCallbacks(upstream_side_);
    reader_->detach();
  }
  if (was_established && downstream_event == ConnectionEvent::RemoteClose &&
      upstream.state() == net::Connection::State::Open) {
    if (downstream().endedByError()) {
      upstream.resetOnClose();
    }
    config().drainer().drain(std::move(upstream_), live_.shared());
  } else {
    upstream_.reset();
  }
}

void TcpProxy::run() {
  live_.atReplace(*this);
  // A connection that is being flushed counts on, too, and the old statistics go.
  countInto(config().stats());
  if (state_ != State::Done) {
    armTimer();
  }
}

void TcpProxy::countInto(const TcpProxyStats& stats) {
  net::ConnectionStats cells;
  cells.read_total = stats.downstream_cx_rx_bytes_total;
  cells.read_buffered = stats.downstream_cx_rx_bytes_buffered;
  cells.write_total = stats.downstream_cx_tx_bytes_total;
  cells.write_buffered = stats.downstream_cx_tx_bytes_buffered;
  downstream().setStats(cells);
}

base::MonotonicTime TcpProxy::lastActivity() {
  return std::max(downstream().lastActivity(), upstream_->connection().lastActivity());
}

std::optional<base::MonotonicTime> TcpProxy::nextDeadline() {
  const TcpProxySettings& settings = config().settings();
  std::optional<base::MonotonicTime> next;
  const auto consider = [&next](base::MonotonicTime when) { next = next.has_value() ? std::min(*next, when) : when; };
  if (settings.max_connection_duration.has_value()) {
    consider(downstream().streamInfo().start_monotonic + *settings.max_connection_duration);
  }
  if (state_ == State::Connecting) {
    if (retry_at_ != kNoRetry) {
      consider(retry_at_);
    }
    return next;
  }
  if (settings.idle_timeout.has_value()) {
    consider(lastActivity() + *settings.idle_timeout);
  }
  if (settings.log_interval.has_value()) {
    consider(last_log_ + *settings.log_interval);
  }
  return next;
}

void TcpProxy::armTimer() {
  const std::optional<base::MonotonicTime> next = nextDeadline();
  if (!next.has_value()) {
    if (timer_ != nullptr) {
      timer_->disable();
    }
    return;
  }
  event::Dispatcher& dispatcher = downstream().dispatcher();
  if (timer_ == nullptr) {
    timer_ = dispatcher.createTimer([this] { onTimer(); });
  }
  timer_->enable(std::chrono::ceil<std::chrono::milliseconds>(
      std::max(*next - dispatcher.now(), base::MonotonicTime::duration::zero())));
}

void TcpProxy::onTimer() {
  const base::MonotonicTime now = downstream().dispatcher().now();
  const TcpProxySettings& settings = config().settings();
  net::StreamInfo& info = downstream().streamInfo();
  if (settings.max_connection_duration.has_value() && info.start_monotonic + *settings.max_connection_duration <= now) {
    config().stats().max_downstream_connection_duration.inc();
    info.response_flags |= flag::kDurationTimeout;
    downstream().close(CloseType::NoFlush, "max_connection_duration");
    return;
  }
  if (state_ == State::Connecting) {
    if (retry_at_ <= now) {
      retry_at_ = kNoRetry;
      startAttempt();
    }
  } else {
    if (settings.idle_timeout.has_value() && lastActivity() + *settings.idle_timeout <= now) {
      config().stats().idle_timeout.inc();
      downstream().close(CloseType::NoFlush, "tcp_session_idle_timeout");
      return;
    }
    if (settings.log_interval.has_value() && last_log_ + *settings.log_interval <= now) {
      last_log_ = now;
      log(access_log::LogType::TcpPeriodic);
    }
  }
  if (state_ != State::Done) {
    armTimer();
  }
}

void TcpProxy::log(access_log::LogType type) {
  for (const auto& logger : config().settings().access_logs) {
    logger->log({downstream().streamInfo(), type});
  }
}

}  // namespace sluice::filters
