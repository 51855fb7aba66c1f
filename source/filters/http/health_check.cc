#include "source/filters/http/health_check.h"

#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb.h"

#include "source/cluster/endpoint.h"
#include "source/config/duration.h"
#include "source/filters/common/header_rules.h"
#include "source/filters/http/pass_through.h"
#include "source/net/drain.h"
#include "source/stats/stats.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;
using Proto = envoy::extensions::filters::http::health_check::v3::HealthCheck;

struct HealthCheckSettings {
  bool pass_through = false;
  /** Zero: nothing is remembered. */
  std::chrono::milliseconds cache_time{0};
  HeaderMatchers headers;
  struct Cluster {
    std::string name;
    double min_healthy_percent = 0;
  };
  std::vector<Cluster> clusters;
  std::string local_cluster;
};

/** The last answer that came through, for all workers. */
class CachedAnswer {
 public:
  void set(uint32_t status, bool degraded, base::MonotonicTime until) {
    answer_.store(status | (degraded ? kDegraded : 0), std::memory_order_relaxed);
    until_.store(until.time_since_epoch().count(), std::memory_order_release);
  }
  bool valid(base::MonotonicTime now) const {
    return now.time_since_epoch().count() < until_.load(std::memory_order_acquire);
  }
  uint32_t status() const { return answer_.load(std::memory_order_relaxed) & ~kDegraded; }
  bool degraded() const { return (answer_.load(std::memory_order_relaxed) & kDegraded) != 0; }

 private:
  static constexpr uint32_t kDegraded = 1u << 31;
  std::atomic<int64_t> until_{0};
  std::atomic<uint32_t> answer_{200};
};

/** http.<prefix>.health_check.* */
struct HealthCheckStats {
  explicit HealthCheckStats(stats::Scope& scope)
      : request_total(scope.counter("request_total")),
        ok(scope.counter("ok")),
        failed(scope.counter("failed")),
        cached_response(scope.counter("cached_response")),
        degraded(scope.counter("degraded")),
        failed_cluster_not_found(scope.counter("failed_cluster_not_found")),
        failed_cluster_empty(scope.counter("failed_cluster_empty")),
        failed_cluster_unhealthy(scope.counter("failed_cluster_unhealthy")) {}
  stats::Counter request_total;
  stats::Counter ok;
  stats::Counter failed;
  stats::Counter cached_response;
  stats::Counter degraded;
  stats::Counter failed_cluster_not_found;
  stats::Counter failed_cluster_empty;
  stats::Counter failed_cluster_unhealthy;
};

class HealthCheckConfig : public http::HttpFilterConfig {
 public:
  HealthCheckConfig(HealthCheckSettings settings, stats::ScopePtr scope, const cluster::ClusterProvider& clusters)
      : settings(std::move(settings)), stats(*scope), clusters(clusters), scope_(std::move(scope)) {}
  void addTo(http::FilterChainBuilder& chain) const override;

  const HealthCheckSettings settings;
  const HealthCheckStats stats;
  const cluster::ClusterProvider& clusters;
  mutable CachedAnswer cached;

 private:
  const stats::ScopePtr scope_;
};

bool failed() { return net::DrainRules::get().health_check_failed.load(std::memory_order_relaxed); }

class HealthCheckFilter final : public PassThroughFilter {
 public:
  explicit HealthCheckFilter(const HealthCheckConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool end_stream) override {
    const HealthCheckSettings& settings = config_.settings;
    if (matchesAll(settings.headers, headers)) {
      check_ = true;
      config_.stats.request_total.inc();
      decoder_->streamInfo().health_check = true;
      handled_ = !settings.pass_through || failed() || useCached();
    }
    if (end_stream && handled_) {
      answer();
    }
    return handled_ ? HeadersStatus::StopIteration : HeadersStatus::Continue;
  }
  DataStatus decodeData(net::Buffer&, bool end_stream) override {
    if (end_stream && handled_) {
      answer();
    }
    return handled_ ? DataStatus::StopIterationNoBuffer : DataStatus::Continue;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    if (handled_) {
      answer();
    }
    return handled_ ? TrailersStatus::StopIteration : TrailersStatus::Continue;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool) override {
    if (check_) {
      uint32_t status = 0;
      if (!handled_ && config_.settings.cache_time.count() > 0 &&
          absl::SimpleAtoi(headers.get(HeaderId::Status), &status)) {
        config_.cached.set(status, headers.has(HeaderId::EnvoyDegraded),
                           encoder_->dispatcher().now() + config_.settings.cache_time);
      }
      headers.set(HeaderId::EnvoyUpstreamHealthCheckedCluster, config_.settings.local_cluster);
    } else if (failed()) {
      headers.setView(HeaderId::EnvoyImmediateHealthCheckFail, "true");
    }
    return HeadersStatus::Continue;
  }

 private:
  bool useCached() const {
    return config_.settings.cache_time.count() > 0 && config_.cached.valid(decoder_->dispatcher().now());
  }

  void answer() {
    http::LocalReply reply;
    reply.status = 200;
    reply.details = "health_check_ok";
    if (failed()) {
      reply.status = 503;
      reply.details = "health_check_failed";
    } else if (useCached()) {
      reply.status = config_.cached.status();
      reply.details = "health_check_cached";
      config_.stats.cached_response.inc();
      if (config_.cached.degraded()) {
        config_.stats.degraded.inc();
        reply.modify_headers = [](HeaderMap& headers) { headers.setView(HeaderId::EnvoyDegraded, ""); };
      }
    } else {
      askClusters(reply);
    }
    const bool ok = reply.status >= 200 && reply.status < 300;
    (ok ? config_.stats.ok : config_.stats.failed).inc();
    if (!ok) {
      decoder_->streamInfo().response_flags |= net::response_flag::kFailedLocalHealthCheck;
    }
    decoder_->sendLocalReply(reply);
  }

  void askClusters(http::LocalReply& reply) const {
    for (const HealthCheckSettings::Cluster& wanted : config_.settings.clusters) {
      const cluster::LocalCluster* found = config_.clusters.localClusters().find(wanted.name);
      if (found == nullptr) {
        reply.status = 503;
        reply.details = "health_check_no_cluster_stats";
        config_.stats.failed_cluster_not_found.inc();
        return;
      }
      size_t total = 0;
      size_t healthy = 0;
      if (const cluster::LocalEndpoints& endpoints = found->localEndpoints(); endpoints && *endpoints != nullptr) {
        total = (*endpoints)->entries().size();
        healthy = (*endpoints)->healthyCount() + (*endpoints)->degradedCount();
      }
      const bool enough =
          total == 0 ? wanted.min_healthy_percent <= 0
                     : 100.0 * static_cast<double>(healthy) >= static_cast<double>(total) * wanted.min_healthy_percent;
      if (!enough) {
        reply.status = 503;
        (total == 0 ? config_.stats.failed_cluster_empty : config_.stats.failed_cluster_unhealthy).inc();
        reply.details = total == 0 ? "health_check_failed_no_cluster_members_present"
                                   : "health_check_failed_cluster_healthy_below_threshold";
        return;
      }
    }
  }

  const HealthCheckConfig& config_;
  /** The request is one. */
  bool check_ = false;
  /** It is answered here. */
  bool handled_ = false;
};

void HealthCheckConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<HealthCheckFilter>(*this));
}

class HealthCheckFactory : public HttpFilterFactory {
 public:
  HealthCheckFactory(event::Dispatcher& main, const runtime::Snapshot& runtime,
                     const cluster::ClusterProvider& clusters, std::string local_cluster)
      : main_(main), runtime_(runtime), clusters_(clusters), local_cluster_(std::move(local_cluster)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    HealthCheckSettings settings;
    settings.pass_through = proto.pass_through_mode().value();
    settings.cache_time = std::chrono::milliseconds(config::durationOr(proto.has_cache_time(), proto.cache_time(), 0));
    settings.headers = readHeaderMatchers(proto.headers(), runtime_, path.field("headers"), violations);
    settings.local_cluster = local_cluster_;
    for (const auto& [name, percent] : proto.cluster_min_healthy_percentages()) {
      settings.clusters.push_back({name, percent.value()});
    }
    if (!settings.pass_through && settings.cache_time.count() > 0) {
      violations.add(path.field("cache_time"), "needs pass_through_mode");
    }
    if (settings.pass_through && !settings.clusters.empty()) {
      violations.add(path.field("cluster_min_healthy_percentages"), "must not be set in pass_through_mode");
    }
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<HealthCheckConfig>(std::move(settings), context.scope->createScope("health_check"),
                                                   clusters_));
  }

 private:
  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
  const cluster::ClusterProvider& clusters_;
  const std::string local_cluster_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> healthCheckFactory(event::Dispatcher& main, const runtime::Snapshot& runtime,
                                                      const cluster::ClusterProvider& clusters,
                                                      std::string local_cluster) {
  return std::make_unique<HealthCheckFactory>(main, runtime, clusters, std::move(local_cluster));
}

}  // namespace sluice::filters
