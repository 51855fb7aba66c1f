#include "source/filters/http/grpc_stats.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"

#include "source/filters/http/grpc_messages.h"
#include "source/filters/http/grpc_method_stats.h"
#include "source/filters/http/pass_through.h"
#include "source/filters/http/request_cluster.h"
#include "source/http/grpc_status.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;
using Proto = envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;

constexpr absl::string_view kFilterState = "envoy.filters.http.grpc_stats";

/** The counts of one call so far, for access logs: "requests,responses". Owned by the stream's filter state. */
struct MessageCounts : net::FilterState::Object {
  std::string serialize() const override { return absl::StrCat(requests, ",", responses); }
  uint64_t requests = 0;
  uint64_t responses = 0;
};

struct GrpcStatsSettings {
  bool emit_filter_state = false;
  bool all_methods = false;
  bool upstream_times = false;
  bool replace_dots = false;
  /** "/service/method" of those that get statistics of their own. */
  absl::flat_hash_set<std::string> allowed;
};

class GrpcStatsConfig : public http::HttpFilterConfig {
 public:
  GrpcStatsConfig(event::Dispatcher& main, const stats::ScopePtr& root, GrpcStatsSettings settings)
      : settings_(std::move(settings)), stats_(main, root, "grpc") {}
  void addTo(http::FilterChainBuilder& chain) const override;

  const GrpcStatsSettings& settings() const { return settings_; }
  const GrpcMethodStats& stats() const { return stats_; }

 private:
  const GrpcStatsSettings settings_;
  const GrpcMethodStats stats_;
};

/** What is counted before the cluster is known is kept, and told once it is. */
class GrpcStatsFilter final : public PassThroughFilter {
 public:
  explicit GrpcStatsFilter(const GrpcStatsConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    grpc_request_ = http::isGrpcContentType(headers.get(HeaderId::ContentType));
    if (!grpc_request_) {
      return HeadersStatus::Continue;
    }
    const GrpcStatsSettings& settings = config_.settings();
    const absl::string_view path = headers.get(HeaderId::Path);
    if (settings.all_methods) {
      method_ = GrpcMethod::parse(path);
      // Without a method there is nothing to count for.
      counted_ = !method_.service.empty();
    } else {
      if (settings.allowed.contains(path.substr(0, path.find('?')))) {
        method_ = GrpcMethod::parse(path);
      }
      counted_ = true;
    }
    if (!method_.service.empty()) {
      // The path may be rewritten by the time of counting.
      method_ = {decoder_->arena().copy(method_.service), decoder_->arena().copy(method_.method)};
    }
    return HeadersStatus::Continue;
  }

  DataStatus decodeData(net::Buffer& data, bool) override {
    if (grpc_request_) {
      const uint64_t messages = requests_.add(data);
      noteMessages(messages);
      new_requests_ += messages;
    }
    return DataStatus::Continue;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool end_stream) override {
    if (!grpc_request_) {
      return HeadersStatus::Continue;
    }
    grpc_response_ =
        end_stream ? headers.has(HeaderId::GrpcStatus) : http::isGrpcContentType(headers.get(HeaderId::ContentType));
    if (counting()) {
      config_.stats().countStatus(name_, headers);
      if (end_stream) {
        recordTime();
      }
    }
    return HeadersStatus::Continue;
  }

  DataStatus encodeData(net::Buffer& data, bool) override {
    if (grpc_response_) {
      const uint64_t messages = responses_.add(data);
      noteMessages(messages);
      new_responses_ += messages;
      if (messages > 0) {
        counting();
      }
    }
    return DataStatus::Continue;
  }

  TrailersStatus encodeTrailers(HeaderMap& trailers) override {
    if (counting()) {
      config_.stats().countStatus(name_, trailers);
      recordTime();
    }
    return TrailersStatus::Continue;
  }

  void onDestroy() override {
    if (grpc_request_) {
      counting();
    }
  }

 private:
  /** Whether there is a name to count by; what waited for it is counted now. */
  bool counting() {
    if (!counted_) {
      return false;
    }
    if (name_.empty()) {
      const absl::string_view cluster = servingCluster(*encoder_);
      if (cluster.empty()) {
        return false;
      }
      name_ = config_.stats().name(encoder_->arena(), cluster, method_, config_.settings().replace_dots);
    }
    if (new_requests_ > 0) {
      config_.stats().countRequestMessages(name_, std::exchange(new_requests_, 0));
    }
    if (new_responses_ > 0) {
      config_.stats().countResponseMessages(name_, std::exchange(new_responses_, 0));
    }
    return true;
  }

  void noteMessages(uint64_t messages) {
    if (messages == 0 || !config_.settings().emit_filter_state) {
      return;
    }
    if (counts_ == nullptr) {
      counts_ = std::make_shared<MessageCounts>();
      encoder_->streamInfo().makeExtras().filter_state.set(kFilterState, counts_);
    }
    counts_->requests = requests_.begun();
    counts_->responses = responses_.begun();
  }

  void recordTime() {
    const http::StreamInfo& info = encoder_->streamInfo();
    if (config_.settings().upstream_times && info.last_upstream_tx_byte.has_value() &&
        info.last_upstream_rx_byte.has_value()) {
      const auto time = *info.last_upstream_rx_byte - *info.last_upstream_tx_byte;
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
      config_.stats().recordUpstreamTime(name_, static_cast<uint64_t>(std::max<int64_t>(0, ms)));
    }
  }

  const GrpcStatsConfig& config_;
  GrpcMessages requests_;
  GrpcMessages responses_;
  uint64_t new_requests_ = 0;
  uint64_t new_responses_ = 0;
  GrpcMethod method_;
  /** Of the statistics; empty while the cluster is not known. */
  absl::string_view name_;
  std::shared_ptr<MessageCounts> counts_;
  bool grpc_request_ = false;
  bool grpc_response_ = false;
  bool counted_ = false;
};

void GrpcStatsConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<GrpcStatsFilter>(*this));
}

class GrpcStatsFactory : public HttpFilterFactory {
 public:
  GrpcStatsFactory(event::Dispatcher& main, stats::ScopePtr root) : main_(main), root_(std::move(root)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath&, HttpFilterContext&,
                                                       config::Violations&) const override {
    const auto& proto = static_cast<const Proto&>(message);
    GrpcStatsSettings settings;
    settings.emit_filter_state = proto.emit_filter_state();
    settings.upstream_times = proto.enable_upstream_stats();
    settings.replace_dots = proto.replace_dots_in_grpc_service_name();
    settings.all_methods = proto.has_stats_for_all_methods() && proto.stats_for_all_methods().value();
    for (const auto& service : proto.individual_method_stats_allowlist().services()) {
      for (const std::string& method : service.method_names()) {
        settings.allowed.insert(absl::StrCat("/", service.name(), "/", method));
      }
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<GrpcStatsConfig>(main_, root_, std::move(settings)));
  }

 private:
  event::Dispatcher& main_;
  const stats::ScopePtr root_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> grpcStatsFactory(event::Dispatcher& main, stats::ScopePtr root) {
  return std::make_unique<GrpcStatsFactory>(main, std::move(root));
}

}  // namespace sluice::filters
