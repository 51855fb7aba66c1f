#include "envoy/extensions/filters/common/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "google/protobuf/struct.pb.h"

#include "source/config/duration.h"
#include "source/filters/http/fault.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::http::fault::v3::HTTPFault;

class FaultFactory : public HttpFilterFactory {
 public:
  FaultFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) : main_(main), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return messageName(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const size_t mistakes = violations.size();
    FaultSettings settings = read(static_cast<const Proto&>(message), path, violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_,
        std::make_unique<FaultConfig>(main_, runtime_, context.scope->createScope("fault"), std::move(settings)));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    auto made = std::make_shared<FaultPerRoute>();
    made->settings = read(static_cast<const Proto&>(message), path, violations);
    return made;
  }

 private:
  FaultSettings read(const Proto& proto, const config::FieldPath& path, config::Violations& violations) const {
    FaultSettings out;
    if (proto.has_delay()) {
      FaultDelay& delay = out.delay.emplace();
      delay.share = runtime::toFraction(proto.delay().percentage());
      if (proto.delay().has_fixed_delay()) {
        delay.fixed = std::chrono::milliseconds(config::toMilliseconds(proto.delay().fixed_delay()));
      }
      delay.runtime = share(proto.delay_percent_runtime(), "fault.http.delay.fixed_delay_percent");
      delay.runtime_milliseconds = number(proto.delay_duration_runtime(), "fault.http.delay.fixed_duration_ms");
    }
    if (proto.has_abort()) {
      FaultAbort& abort = out.abort.emplace();
      abort.share = runtime::toFraction(proto.abort().percentage());
      abort.by_header = proto.abort().has_header_abort();
      if (proto.abort().error_type_case() == envoy::extensions::filters::http::fault::v3::FaultAbort::kHttpStatus) {
        abort.http_status = proto.abort().http_status();
      }
      if (proto.abort().error_type_case() == envoy::extensions::filters::http::fault::v3::FaultAbort::kGrpcStatus) {
        abort.grpc_status = proto.abort().grpc_status();
      }
      abort.runtime = share(proto.abort_percent_runtime(), "fault.http.abort.abort_percent");
      abort.runtime_http_status = number(proto.abort_http_status_runtime(), "fault.http.abort.http_status");
      abort.runtime_grpc_status = number(proto.abort_grpc_status_runtime(), "fault.http.abort.grpc_status");
    }
    if (proto.has_response_rate_limit()) {
      FaultRateLimit& limit = out.rate_limit.emplace();
      limit.share = runtime::toFraction(proto.response_rate_limit().percentage());
      if (proto.response_rate_limit().has_fixed_limit()) {
        limit.fixed = proto.response_rate_limit().fixed_limit().limit_kbps();
      }
      limit.runtime = share(proto.response_rate_limit_percent_runtime(), "fault.http.rate_limit.response_percent");
    }
    out.upstream_cluster = proto.upstream_cluster();
    out.headers = readHeaderMatchers(proto.headers(), runtime_, path.field("headers"), violations);
    out.downstream_nodes.assign(proto.downstream_nodes().begin(), proto.downstream_nodes().end());
    if (proto.has_max_active_faults()) {
      out.max_active = proto.max_active_faults().value();
    }
    if (const auto runtime = number(proto.max_active_faults_runtime(), "fault.http.max_active_faults");
        runtime.has_value()) {
      out.max_active = runtime;
    }
    out.count_downstream_clusters = !proto.disable_downstream_cluster_stats();
    if (proto.has_filter_metadata()) {
      out.metadata = std::make_shared<google::protobuf::Struct>(proto.filter_metadata());
    }
    return out;
  }

  static const char* orDefault(const std::string& key, const char* fallback) {
    return key.empty() ? fallback : key.c_str();
  }
  std::optional<runtime::Fraction> share(const std::string& key, const char* fallback) const {
    const char* name = orDefault(key, fallback);
    return runtime_.has(name) ? std::optional(runtime_.getFraction(name, {})) : std::nullopt;
  }
  std::optional<uint64_t> number(const std::string& key, const char* fallback) const {
    const char* name = orDefault(key, fallback);
    return runtime_.has(name) ? std::optional(runtime_.getInteger(name, 0)) : std::nullopt;
  }

  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> faultFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) {
  return std::make_unique<FaultFactory>(main, runtime);
}

}  // namespace sluice::filters
