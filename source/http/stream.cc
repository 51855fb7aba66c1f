#include "source/http/stream.h"

#include <algorithm>
#include <utility>

#include "source/base/random.h"
#include "source/http/grpc_status.h"
#include "source/http/local_reply_config.h"
#include "source/http/route_table.h"
#include "source/http/weighted_cluster.h"

namespace sluice::http {

namespace flag = net::response_flag;
using std::chrono::milliseconds;

namespace {

/** Outer objects of streams that have gone, for those that come: the thread's. */
class StreamPool {
 public:
  ~StreamPool() {
    while (first_ != nullptr) {
      ::operator delete(std::exchange(first_, first_->next));
    }
  }
  void* take(size_t size) {
    if (first_ == nullptr) {
      return ::operator new(size);
    }
    --kept_;
    return std::exchange(first_, first_->next);
  }
  void give(void* memory) {
    if (kept_ == kMost) {
      ::operator delete(memory);
      return;
    }
    ++kept_;
    first_ = new (memory) Free{first_};
  }

 private:
  struct Free {
    Free* next;
  };
  static constexpr size_t kMost = 1024;
  Free* first_ = nullptr;
  size_t kept_ = 0;
};

StreamPool& pool() {
  thread_local StreamPool pool;
  return pool;
}

/** As good as never, and far from where a time overflows: eight digits of hours do not fit. */
constexpr milliseconds kLongestDuration = std::chrono::hours(24 * 365 * 50);

/** The grpc-timeout header's value (an integer and a unit); none when it is malformed or missing. */
std::optional<milliseconds> grpcTimeout(const HeaderMap& headers) {
  const absl::string_view text = headers.get(HeaderId::GrpcTimeout);
  if (text.size() < 2 || text.size() > 9) {
    return std::nullopt;
  }
  uint64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  switch (text.back()) {
    case 'H':
      return milliseconds(value * 3'600'000);
    case 'M':
      return milliseconds(value * 60'000);
    case 'S':
      return milliseconds(value * 1000);
    case 'm':
      return milliseconds(value);
    case 'u':
      return milliseconds((value + 999) / 1000);
    case 'n':
      return milliseconds((value + 999'999) / 1'000'000);
    default:
      return std::nullopt;
  }
}

/** What the route makes the stream's greatest age; none says nothing, zero that there is none. */
std::optional<milliseconds> routeDuration(const ForwardAction& action, const HeaderMap& headers) {
  if (action.grpc_timeout_header_max.has_value() && isGrpcContentType(headers.get(HeaderId::ContentType))) {
    if (std::optional<milliseconds> asked = grpcTimeout(headers); asked.has_value()) {
      if (action.grpc_timeout_header_max->count() > 0) {
        asked = std::min(*asked, *action.grpc_timeout_header_max);
      }
      if (action.grpc_timeout_header_offset.has_value() && *asked > *action.grpc_timeout_header_offset) {
        *asked -= *action.grpc_timeout_header_offset;
      }
      return asked;
    }
  }
  return action.max_stream_duration;
}

}  // namespace

void* Stream::operator new(size_t size) { return pool().take(size); }
void Stream::operator delete(void* memory) { pool().give(memory); }

Stream::Stream(ConnectionManager& manager, const ConnectionManagerConfig& config, StreamSender& sender)
    : manager_(manager), config_(config), sender_(&sender), random_(base::threadRandom().next()) {
  for (size_t i = 0; i < static_cast<size_t>(Timeout::Count); ++i) {
    deadlines_[i].init(*this, static_cast<Timeout>(i));
  }
  const ConnectionManagerStats& stats = config_.stats();
  stats.downstream_rq_total.inc();
  stats.downstream_rq_active.inc();
  (manager_.isHttp2() ? stats.downstream_rq_http2_total : stats.downstream_rq_http1_total).inc();
  begin();
  idle_timeout_ = settings().stream_idle_timeout;
  setDeadline(Timeout::Headers, settings().request_headers_timeout);
  setDeadline(Timeout::Request, settings().request_timeout);
  setDeadline(Timeout::Duration, settings().max_stream_duration);
  setDeadline(Timeout::Idle, idle_timeout_);
  setDeadline(Timeout::Log, settings().log_interval);
}

Stream::~Stream() { --manager_.undeleted_; }

void Stream::begin() {
  initInfo();
  filters_ = arena_.make<FilterManager>(*this, arena_, dispatcher(), *info_, &connection(),
                                        manager_.streamBufferLimit(config_));
}

void Stream::initInfo() {
  StreamInfo* const before = info_;
  info_ = arena_.make<StreamInfo>();
  const net::StreamInfo& of = connection().streamInfo();
  info_->of_connection = &of;
  info_->start_time = dispatcher().systemNow();
  info_->start_monotonic = dispatcher().now();
  info_->connection_id = connection().id();
  info_->downstream_local = of.downstream_local;
  info_->downstream_remote = of.downstream_remote;
  info_->downstream_direct_remote = of.downstream_direct_remote;
  info_->downstream_tls = of.downstream_tls;
  info_->downstream_handshake_complete = of.downstream_handshake_complete;
  info_->protocol = manager_.codec_->protocol();
  info_->random = random_;
  if (before != nullptr) {
    // What filters left for one another goes on with the redirected request.
    info_->extras = std::move(before->extras);
    info_->downstream_remote = before->downstream_remote;
  }
}

// Routes.

const Route* Stream::route() {
  if (!route_known_ && headers_seen_) {
    route_known_ = true;
    route_ = nullptr;
    info_->weighted_cluster = nullptr;
    if (routes_) {
      const RouteQuery query{*filters_->requestHeaders(), *info_, random_};
      route_ = routes_->find(query);
    }
    setRoute(route_);
  }
  return route_;
}

void Stream::clearRouteCache() {
  route_known_ = false;
  info_->route = nullptr;
  info_->virtual_host = nullptr;
  info_->weighted_cluster = nullptr;
}

void Stream::setRoute(const Route* route) {
  route_known_ = true;
  route_ = route;
  info_->route = route;
  info_->virtual_host = route == nullptr ? nullptr : route->virtual_host;
  info_->weighted_cluster = nullptr;
  if (route == nullptr) {
    return;
  }
  if (route->kind == Route::Kind::Forward && !route->forward->weighted.empty()) {
    info_->weighted_cluster = pickWeightedCluster(*route->forward, *filters_->requestHeaders(), random_);
  }
  const std::optional<uint32_t>& limit = route->request_body_limit.has_value() || route->virtual_host == nullptr
                                             ? route->request_body_limit
                                             : route->virtual_host->request_body_limit;
  if (limit.has_value()) {
    filters_->setBufferLimit(*limit);
  }
  refreshRouteTimeouts();
}

void Stream::refreshRouteTimeouts() {
  if (route_->kind != Route::Kind::Forward) {
    return;
  }
  const ForwardAction& action = *route_->forward;
  if (action.idle_timeout.has_value()) {
    idle_timeout_ = action.idle_timeout->count() > 0 ? action.idle_timeout : std::nullopt;
    setDeadline(Timeout::Idle, idle_timeout_);
    if (idle_timeout_.has_value() && sender_ != nullptr) {
      sender_->setFlushTimeout(*idle_timeout_);
    }
  }
  if (const std::optional<milliseconds> age = routeDuration(action, *filters_->requestHeaders()); age.has_value()) {
    if (age->count() == 0) {
      deadline(Timeout::Duration).cancel();
    } else {
      dispatcher().deadlines().setAt(deadline(Timeout::Duration),
                                     info_->start_monotonic + std::min(*age, kLongestDuration));
    }
  }
}

void Stream::describeCluster() {
  const ClusterDirectory* const clusters = config_.clusters();
  const Route* const route = info_->route;
  if (clusters == nullptr || info_->upstream != nullptr || route == nullptr || route->kind != Route::Kind::Forward) {
    return;
  }
  const WeightedCluster* const weighted = info_->weighted_cluster;
  const std::string& header = weighted != nullptr ? weighted->header : route->forward->cluster_header;
  absl::string_view name = weighted != nullptr ? weighted->name : route->cluster;
  if (name.empty() && !header.empty() && info_->request_headers != nullptr) {
    name = info_->request_headers->get(header);
  }
  auto upstream = std::make_unique<net::UpstreamInfo>();
  if (clusters->describe(name, *upstream)) {
    info_->upstream = std::move(upstream);
  }
}

// Timeouts.

void Stream::setDeadline(Timeout timeout, const std::optional<milliseconds>& after) {
  if (after.has_value()) {
    dispatcher().deadlines().set(deadline(timeout), *after);
  } else {
    deadline(timeout).cancel();
  }
}

void Stream::resetIdleTimer() { last_activity_ = dispatcher().now(); }

void Stream::onTimeout(Timeout timeout) {
  switch (timeout) {
    case Timeout::Headers:
      stats().downstream_rq_header_timeout.inc();
      reply(408, "request header timeout", "request_header_timeout");
      return;
    case Timeout::Request:
      stats().downstream_rq_timeout.inc();
      reply(408, "request timeout", "request_overall_timeout");
      return;
    case Timeout::Idle:
      if (last_activity_ + *idle_timeout_ > dispatcher().now()) {
        dispatcher().deadlines().setAt(deadline(Timeout::Idle), last_activity_ + *idle_timeout_);
        return;
      }
      stats().downstream_rq_idle_timeout.inc();
      info_->response_flags |= flag::kStreamIdleTimeout;
      timeOut("stream timeout", "stream_idle_timeout");
      return;
    case Timeout::Duration:
      stats().downstream_rq_max_duration_reached.inc();
      timeOut("downstream duration timeout", "max_duration_timeout", 4);
      return;
    case Timeout::Log:
      log(access_log::LogType::DownstreamPeriodic);
      setDeadline(Timeout::Log, settings().log_interval);
      return;
    case Timeout::Count:
      return;
  }
}

void Stream::timeOut(absl::string_view body, absl::string_view details, std::optional<uint32_t> grpc_status) {
  reply(filters_->requestComplete() ? 504 : 408, body, details, nullptr, grpc_status);
}

void Stream::onRequestComplete() {
  deadline(Timeout::Headers).cancel();
  deadline(Timeout::Request).cancel();
}

void Stream::reply(uint32_t status, absl::string_view body, absl::string_view details,
                   std::function<void(HeaderMap&)> modify, std::optional<uint32_t> grpc_status) {
  LocalReply answer;
  answer.status = status;
  answer.body = body;
  answer.details = details;
  answer.grpc_status = grpc_status;
  answer.modify_headers = std::move(modify);
  filters_->sendLocalReply(answer);
}

// The end.

void Stream::onReset(ResetReason reason, absl::string_view details) {
  if (ended_) {
    return;
  }
  stats().downstream_rq_rx_reset.inc();
  if (reason == ResetReason::ConnectionTermination) {
    info_->response_flags |= flag::kDownstreamConnectionTermination;
  } else if (reason == ResetReason::Remote || reason == ResetReason::RemoteRefused) {
    info_->response_flags |= flag::kDownstreamRemoteReset;
  } else if (reason == ResetReason::ProtocolError) {
    info_->response_flags |= flag::kDownstreamProtocolError;
  }
  if (!details.empty()) {
    info_->details = arena_.copy(details);
  }
  if (sender_ != nullptr) {
    noteSent(*sender_);
    sender_ = nullptr;
  }
  finish();
}

void Stream::resetFromFilter(ResetReason reason, absl::string_view details) {
  if (ended_) {
    return;
  }
  stats().downstream_rq_tx_reset.inc();
  // Of every reset, whoever began it, as in Envoy.
  stats().downstream_rq_rx_reset.inc();
  if (!details.empty()) {
    info_->details = arena_.copy(details);
  }
  // Ended before the codec is told, which may close the connection at once.
  StreamSender* const sender = std::exchange(sender_, nullptr);
  if (sender != nullptr) {
    noteSent(*sender);
  }
  finish();
  if (sender != nullptr && !manager_.closed_) {
    sender->reset(reason);
  }
}

void Stream::abort(uint64_t response_flag, absl::string_view details) {
  if (ended_) {
    return;
  }
  stats().downstream_rq_rx_reset.inc();
  info_->response_flags |= response_flag;
  info_->details = arena_.copy(details);
  StreamSender* const sender = std::exchange(sender_, nullptr);
  if (sender != nullptr) {
    noteSent(*sender);
  }
  finish();
  if (sender != nullptr && !manager_.closed_) {
    sender->reset(ResetReason::Local);
  }
}

void Stream::onResponseEnd() {
  if (ended_) {
    return;
  }
  StreamSender* const sender = std::exchange(sender_, nullptr);
  if (sender != nullptr) {
    noteSent(*sender);
  }
  finish();
  if (sender != nullptr && !filters_->requestComplete()) {
    // The whole answer is out; what is still to come of the request is of no use.
    stats().downstream_rq_rx_reset.inc();
    sender->reset(ResetReason::LocalNoError);
  }
}

void Stream::finish() {
  ended_ = true;
  for (StreamDeadline& each : deadlines_) {
    each.cancel();
  }
  info_->end_monotonic = dispatcher().now();
  const ConnectionManagerStats& stats = config_.stats();
  stats.downstream_rq_active.dec();
  stats.downstream_rq_time.record(static_cast<uint64_t>(
      std::chrono::duration_cast<milliseconds>(*info_->end_monotonic - info_->start_monotonic).count()));
  if (upgraded_) {
    stats.downstream_cx_upgrades_active.dec();
  }
  filters_->notifyComplete();
  if (!logged_end_) {
    if (!settings().access_logs.empty()) {
      describeCluster();
    }
    log(access_log::LogType::DownstreamEnd);
  }
  filters_->destroyFilters();
  manager_.onStreamEnd(*this);
}

void Stream::log(access_log::LogType type) {
  if (settings().access_logs.empty()) {
    return;
  }
  const access_log::LogContext context{*info_, type, info_};
  for (const auto& logger : settings().access_logs) {
    logger->log(context);
  }
}

void Stream::noteSent(const StreamSender& sender) {
  info_->downstream_wire_bytes_sent = sender.wireBytesSent();
  info_->downstream_wire_bytes_received = sender.wireBytesReceived();
  info_->downstream_header_bytes_sent = sender.headerWireBytesSent();
  info_->downstream_header_bytes_received = sender.headerWireBytesReceived();
}

void Stream::recreate(net::Buffer& body) {
  restart_body_.move(body);
  filters_->notifyComplete();
  if (sender_ != nullptr) {
    noteSent(*sender_);
  }
  info_->end_monotonic = dispatcher().now();
  log(access_log::LogType::DownstreamEnd);
  logged_end_ = true;
  filters_->destroyFilters();
  // Not from within the filters that asked for it.
  dispatcher().runAtUnwind(*this);
}

void Stream::run() {
  if (ended_) {
    return;
  }
  HeaderMap& headers = *filters_->requestHeaders();
  // A request of its own, as in Envoy.
  stats().downstream_rq_total.inc();
  (manager_.isHttp2() ? stats().downstream_rq_http2_total : stats().downstream_rq_http1_total).inc();
  begin();
  for (; above_watermarks_ > filters_->highWatermarks();) {
    filters_->onDownstreamAboveHighWatermark();
  }
  filters_->setRequestHeaders(headers);
  filters_->noteRequestComplete();
  route_known_ = false;
  recreated_ = true;
  logged_end_ = false;
  const bool has_body = !restart_body_.empty();
  onHeaders(headers, !has_body);
  if (has_body && !ended_) {
    filters_->decodeData(restart_body_, true);
  }
}

}  // namespace sluice::http
