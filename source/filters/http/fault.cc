#include "source/filters/http/fault.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/event/deadline.h"
#include "source/filters/common/drawn.h"
#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/http/pass_through.h"
#include "source/filters/http/request_cluster.h"
#include "source/filters/http/response_limiter.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;

constexpr absl::string_view kDelayHeader = "x-envoy-fault-delay-request";
constexpr absl::string_view kDelayPercentHeader = "x-envoy-fault-delay-request-percentage";
constexpr absl::string_view kAbortHeader = "x-envoy-fault-abort-request";
constexpr absl::string_view kAbortGrpcHeader = "x-envoy-fault-abort-grpc-request";
constexpr absl::string_view kAbortPercentHeader = "x-envoy-fault-abort-request-percentage";
constexpr absl::string_view kRateHeader = "x-envoy-fault-throughput-response";
constexpr absl::string_view kRatePercentHeader = "x-envoy-fault-throughput-response-percentage";

constexpr uint64_t kNoGrpcStatus = 17;

bool isStatus(uint64_t code) { return code >= 200 && code < 600; }

std::optional<uint64_t> numberIn(const HeaderMap& headers, absl::string_view name) {
  uint64_t value = 0;
  return absl::SimpleAtoi(headers.get(name), &value) ? std::optional(value) : std::nullopt;
}

/** A request's header may lower the share that the configuration allows it. */
runtime::Fraction lowered(runtime::Fraction share, const HeaderMap& headers, absl::string_view name) {
  if (const auto value = numberIn(headers, name); value.has_value()) {
    share.numerator = static_cast<uint32_t>(std::min<uint64_t>(*value, share.numerator));
  }
  return share;
}

/**
 * Injects what its settings say into one stream: first the delay, then the abort; the limit of the response's rate goes
 * with either. A stream counts as one active fault however many it has.
 */
class FaultFilter final : public PassThroughFilter, private event::Deadline {
 public:
  explicit FaultFilter(const FaultConfig& config) : config_(config), settings_(&config.settings()) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    if (const auto* route = static_cast<const FaultPerRoute*>(decoder_->perRouteConfig()); route != nullptr) {
      settings_ = &route->settings;
    }
    if (!config_.mayBegin(settings_->max_active)) {
      config_.stats().faults_overflow.inc();
      return HeadersStatus::Continue;
    }
    if (!concerns(headers)) {
      return HeadersStatus::Continue;
    }
    downstream_cluster_ = headers.get(HeaderId::EnvoyDownstreamServiceCluster);
    limitResponse(headers);
    if (const auto delay = chooseDelay(headers); delay.has_value()) {
      headers_ = &headers;
      begin();
      decoder_->dispatcher().deadlines().set(*this, *delay);
      config_.stats().delays_injected.inc();
      countForCluster("delays_injected");
      decoder_->streamInfo().response_flags |= net::response_flag::kDelayInjected;
      return HeadersStatus::StopIteration;
    }
    return abort(headers) ? HeadersStatus::StopIteration : HeadersStatus::Continue;
  }

  DataStatus decodeData(net::Buffer&, bool) override {
    return pending() ? DataStatus::StopIterationAndWatermark : DataStatus::Continue;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    return pending() ? TrailersStatus::StopIteration : TrailersStatus::Continue;
  }

  DataStatus encodeData(net::Buffer& data, bool end_stream) override {
    return limiter_ == nullptr ? DataStatus::Continue : limiter_->onData(data, end_stream);
  }
  TrailersStatus encodeTrailers(HeaderMap&) override {
    return limiter_ == nullptr ? TrailersStatus::Continue : limiter_->onTrailers();
  }

  void onDestroy() override {
    cancel();
    if (limiter_ != nullptr) {
      limiter_->cancel();
    }
    if (active_) {
      active_ = false;
      config_.end();
    }
  }

 private:
  void onDeadline() override {
    if (!abort(*headers_)) {
      decoder_->continueDecoding();
    }
  }

  bool concerns(const HeaderMap& headers) {
    if (!settings_->upstream_cluster.empty()) {
      const http::Route* route = decoder_->route();
      if (route == nullptr || chosenCluster(*decoder_, headers) != settings_->upstream_cluster) {
        return false;
      }
    }
    if (!settings_->downstream_nodes.empty()) {
      const absl::string_view node = headers.get(HeaderId::EnvoyDownstreamServiceNode);
      if (std::find(settings_->downstream_nodes.begin(), settings_->downstream_nodes.end(), node) ==
          settings_->downstream_nodes.end()) {
        return false;
      }
    }
    return matchesAll(settings_->headers, headers);
  }

  bool happens(const FaultShare& share, const HeaderMap& headers, absl::string_view percent_header,
               absl::string_view cluster_key) const {
    const runtime::Fraction asked =
        percent_header.empty() ? share.share : lowered(share.share, headers, percent_header);
    if (!downstream_cluster_.empty() && !cluster_key.empty() && config_.hasClusterRuntime()) {
      return drawn(config_.runtime().getFraction(absl::StrCat("fault.http.", downstream_cluster_, cluster_key), asked));
    }
    return drawn(share.runtime.value_or(asked));
  }

  std::optional<std::chrono::milliseconds> chooseDelay(const HeaderMap& headers) const {
    if (!settings_->delay.has_value()) {
      return std::nullopt;
    }
    const FaultDelay& delay = *settings_->delay;
    std::optional<std::chrono::milliseconds> time = delay.fixed;
    if (!time.has_value()) {
      if (const auto asked = numberIn(headers, kDelayHeader); asked.has_value() && *asked <= INT32_MAX) {
        time = std::chrono::milliseconds(*asked);
      }
    }
    const absl::string_view percent = delay.fixed.has_value() ? absl::string_view() : kDelayPercentHeader;
    if (!time.has_value() || !happens(delay, headers, percent, ".delay.fixed_delay_percent")) {
      return std::nullopt;
    }
    if (delay.runtime_milliseconds.has_value()) {
      time = std::chrono::milliseconds(std::min<uint64_t>(*delay.runtime_milliseconds, INT32_MAX));
    }
    return time->count() > 0 ? time : std::nullopt;
  }

  bool abort(const HeaderMap& headers) {
    if (!settings_->abort.has_value()) {
      return false;
    }
    const FaultAbort& abort = *settings_->abort;
    const absl::string_view percent = abort.by_header ? kAbortPercentHeader : absl::string_view();
    if (!happens(abort, headers, percent, ".abort.abort_percent")) {
      return false;
    }
    // 0 is no HTTP status; the first that gRPC does not know is none of its own.
    uint64_t status = abort.by_header ? numberIn(headers, kAbortHeader).value_or(0) : abort.http_status.value_or(0);
    uint64_t grpc_status = abort.by_header ? numberIn(headers, kAbortGrpcHeader).value_or(kNoGrpcStatus)
                                           : abort.grpc_status.value_or(kNoGrpcStatus);
    status = isStatus(abort.runtime_http_status.value_or(0)) ? *abort.runtime_http_status : status;
    grpc_status =
        abort.runtime_grpc_status.value_or(kNoGrpcStatus) < kNoGrpcStatus ? *abort.runtime_grpc_status : grpc_status;
    const bool by_http = isStatus(status);
    if (!by_http && grpc_status >= kNoGrpcStatus) {
      return false;
    }
    begin();
    decoder_->streamInfo().response_flags |= net::response_flag::kFaultInjected;
    config_.stats().aborts_injected.inc();
    countForCluster("aborts_injected");
    http::LocalReply reply;
    reply.status = by_http ? static_cast<uint32_t>(status) : 200;
    reply.body = "fault filter abort";
    reply.details = "fault_filter_abort";
    if (!by_http) {
      reply.grpc_status = static_cast<uint32_t>(grpc_status);
    }
    decoder_->sendLocalReply(reply);
    return true;
  }

  void limitResponse(const HeaderMap& headers) {
    if (!settings_->rate_limit.has_value()) {
      return;
    }
    const FaultRateLimit& limit = *settings_->rate_limit;
    const std::optional<uint64_t> rate = limit.fixed.has_value() ? limit.fixed : numberIn(headers, kRateHeader);
    const absl::string_view percent = limit.fixed.has_value() ? absl::string_view() : kRatePercentHeader;
    if (rate.value_or(0) == 0 || !happens(limit, headers, percent, {})) {
      return;
    }
    begin();
    config_.stats().response_rl_injected.inc();
    limiter_ = decoder_->arena().make<ResponseLimiter>(*encoder_, *rate * 1024);
  }

  /** Once a stream. */
  void begin() {
    if (active_) {
      return;
    }
    active_ = true;
    config_.begin();
    if (settings_->metadata != nullptr) {
      addDynamicMetadata(decoder_->streamInfo(), "envoy.filters.http.fault", *settings_->metadata);
    }
  }

  void countForCluster(absl::string_view what) {
    if (!downstream_cluster_.empty() && settings_->count_downstream_clusters) {
      config_.clusterStats().with(absl::StrCat(downstream_cluster_, ".", what),
                                  [](const NamedCounter& stats) { stats.counter.inc(); });
    }
  }

  const FaultConfig& config_;
  const FaultSettings* settings_;
  /** While a delay runs. */
  const HeaderMap* headers_ = nullptr;
  absl::string_view downstream_cluster_;
  ResponseLimiter* limiter_ = nullptr;
  bool active_ = false;
};

bool hasClusterKeys(const runtime::Snapshot& runtime) {
  const auto entries = runtime.entries();
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
    return absl::StartsWith(entry.first, "fault.http.") && (absl::EndsWith(entry.first, ".delay.fixed_delay_percent") ||
                                                            absl::EndsWith(entry.first, ".abort.abort_percent"));
  });
}

}  // namespace

FaultStats::FaultStats(stats::Scope& scope)
    : aborts_injected(scope.counter("aborts_injected")),
      delays_injected(scope.counter("delays_injected")),
      faults_overflow(scope.counter("faults_overflow")),
      response_rl_injected(scope.counter("response_rl_injected")),
      active_faults(scope.gauge("active_faults")) {}

FaultConfig::FaultConfig(event::Dispatcher& main, const runtime::Snapshot& runtime, stats::ScopePtr scope,
                         FaultSettings settings)
    : settings_(std::move(settings)),
      runtime_(runtime),
      scope_(std::move(scope)),
      stats_(*scope_),
      cluster_stats_(main, scope_),
      has_cluster_runtime_(hasClusterKeys(runtime)) {}

void FaultConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<FaultFilter>(*this));
}

}  // namespace sluice::filters
