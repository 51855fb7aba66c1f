#include "source/filters/network/ext_authz.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"

#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/http/service_filters.h"
#include "source/grpc/unary_call.h"
#include "source/matcher/config.h"
#include "source/net/connection.h"

namespace sluice::filters {
namespace {

using envoy::service::auth::v3::CheckRequest;
using envoy::service::auth::v3::CheckResponse;
using Proto = envoy::extensions::filters::network::ext_authz::v3::ExtAuthz;

constexpr absl::string_view kName = "envoy.filters.network.ext_authz";
constexpr absl::string_view kMethod = "/envoy.service.auth.v3.Authorization/Check";
constexpr std::chrono::milliseconds kDefaultTimeout(200);

/**
 * A read filter of the connection, which owns it. The first bytes wait while the service is asked.
 *
 *   New --first bytes--> Asking --ok, or error let pass--> Passed
 *    '--disabled------------------------------------------->'   Asking --denied, error--> Refused
 */
class NetworkExtAuthz final : public net::ReadFilter, public net::ConnectionCallbacks, public grpc::UnaryCallCallbacks {
 public:
  explicit NetworkExtAuthz(net::LiveFilterConfig& live) : live_(live) {}
  ~NetworkExtAuthz() override { stop(); }

  void initialize(net::ReadFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    callbacks.connection().addCallbacks(*this);
  }
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }

  net::FilterStatus onData(net::Buffer& data, bool) override {
    if (state_ == State::New) {
      ask();
    }
    if (state_ == State::Refused) {
      data.clear();
    }
    return state_ == State::Passed ? net::FilterStatus::Continue : net::FilterStatus::StopIteration;
  }

  void onEvent(net::ConnectionEvent event) override {
    if (event == net::ConnectionEvent::RemoteClose || event == net::ConnectionEvent::LocalClose) {
      stop();
    }
  }

 private:
  enum class State : uint8_t { New, Asking, Passed, Refused };

  const NetworkExtAuthzConfig& config() const { return static_cast<const NetworkExtAuthzConfig&>(*config_); }

  void ask() {
    // The question and its answer are this version's, whatever comes meanwhile.
    config_ = live_.shared();
    net::Connection& connection = callbacks_->connection();
    const NetworkExtAuthzSettings& settings = config().settings();
    const net::StreamInfo& info = connection.streamInfo();
    const auto* metadata = info.extras == nullptr ? nullptr : info.extras->metadata.get();
    if (settings.enabled_metadata.has_value() && !settings.enabled_metadata->matches(metadata)) {
      config().stats().disabled.inc();
      state_ = State::Passed;
      return;
    }
    CheckRequest request;
    fillConnection(info, settings.tls, *request.mutable_attributes());
    for (const auto& [name, value] : settings.destination_labels) {
      (*request.mutable_attributes()->mutable_destination()->mutable_labels())[name] = value;
    }
    if (!settings.metadata.empty()) {
      settings.metadata.copy(metadata, *request.mutable_attributes()->mutable_metadata_context());
    }
    state_ = State::Asking;
    config().stats().total.inc();
    config().stats().active.inc();
    active_ = true;
    const access_log::LogContext parent{info};
    inside_ask_ = true;
    call_ = std::make_unique<grpc::UnaryCall>(config().upstreams(), connection.dispatcher(), settings.service, *this);
    call_->start(kMethod, request, &parent);
    inside_ask_ = false;
  }

  void onSuccess(absl::string_view message) override {
    stop();
    CheckResponse response;
    if (!response.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      onError();
      return;
    }
    if (!response.dynamic_metadata().fields().empty()) {
      addDynamicMetadata(callbacks_->connection().streamInfo(), kName, response.dynamic_metadata());
    }
    if (response.status().code() == static_cast<int32_t>(grpc::code::kOk)) {
      config().stats().ok.inc();
      pass();
    } else {
      config().stats().denied.inc();
      refuse();
    }
  }
  void onFailure(const grpc::Status&) override {
    stop();
    onError();
  }

  void onError() {
    config().stats().error.inc();
    if (config().settings().failure_mode_allow) {
      config().stats().failure_mode_allowed.inc();
      pass();
    } else {
      refuse();
    }
  }

  void pass() {
    state_ = State::Passed;
    if (!inside_ask_) {
      callbacks_->continueReading();
    }
  }

  void refuse() {
    state_ = State::Refused;
    config().stats().cx_closed.inc();
    net::StreamInfo& info = callbacks_->connection().streamInfo();
    info.response_flags |= net::response_flag::kUnauthorizedExternalService;
    info.response_code_details = "ext_authz_denied";
    callbacks_->connection().close(net::CloseType::NoFlush, "ext_authz_close");
  }

  void stop() {
    call_.reset();
    if (std::exchange(active_, false)) {
      config().stats().active.dec();
    }
  }

  net::LiveFilterConfig& live_;
  /** Null until the service is asked. */
  std::shared_ptr<const net::NetworkFilterConfig> config_;
  net::ReadFilterCallbacks* callbacks_ = nullptr;
  std::unique_ptr<grpc::UnaryCall> call_;
  State state_ = State::New;
  bool active_ = false;
  bool inside_ask_ = false;
};

class NetworkExtAuthzFactory : public listener::NetworkFilterFactory {
 public:
  explicit NetworkExtAuthzFactory(const ServiceFilterContext& context) : context_(context) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path, listener::FactoryContext&,
                                                         config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    NetworkExtAuthzSettings out;
    std::optional<grpc::ServiceConfig> service = grpc::ServiceConfig::create(
        proto.grpc_service(), context_.tools.operators, path.field("grpc_service"), violations);
    if (proto.has_filter_enabled_metadata()) {
      out.enabled_metadata =
          matcher::toMetadataMatcher(proto.filter_enabled_metadata(), matcher::RegexLimit::of(context_.tools.runtime),
                                     path.field("filter_enabled_metadata"), violations);
    }
    if (violations.size() != mistakes) {
      return nullptr;
    }
    out.service = std::move(*service);
    if (!proto.grpc_service().has_timeout()) {
      out.service.timeout = kDefaultTimeout;
    }
    out.failure_mode_allow = proto.failure_mode_allow();
    out.tls = {proto.include_peer_certificate(), proto.include_tls_session()};
    out.metadata.untyped.assign(proto.metadata_context_namespaces().begin(), proto.metadata_context_namespaces().end());
    out.metadata.typed.assign(proto.typed_metadata_context_namespaces().begin(),
                              proto.typed_metadata_context_namespaces().end());
    out.destination_labels = destinationLabels(context_.node, proto.bootstrap_metadata_labels_key());
    return event::ownedBy<const net::NetworkFilterConfig>(
        context_.main, std::make_unique<NetworkExtAuthzConfig>(
                           std::move(out), context_.root->createScope(absl::StrCat("ext_authz.", proto.stat_prefix())),
                           context_.upstreams));
  }

 private:
  const ServiceFilterContext context_;
};

}  // namespace

NetworkExtAuthzStats::NetworkExtAuthzStats(stats::Scope& scope)
    : total(scope.counter("total")),
      cx_closed(scope.counter("cx_closed")),
      denied(scope.counter("denied")),
      disabled(scope.counter("disabled")),
      error(scope.counter("error")),
      failure_mode_allowed(scope.counter("failure_mode_allowed")),
      ok(scope.counter("ok")),
      active(scope.gauge("active")) {}

NetworkExtAuthzConfig::NetworkExtAuthzConfig(NetworkExtAuthzSettings settings, stats::ScopePtr scope,
                                             const grpc::Upstreams& upstreams)
    : settings_(std::move(settings)),
      scope_(std::move(scope)),
      stats_(*scope_),
      upstreams_(upstreams),
      structural_key_(config::contentKey("ext_authz")) {}

void NetworkExtAuthzConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<NetworkExtAuthz>(live));
}

std::unique_ptr<listener::NetworkFilterFactory> networkExtAuthzFactory(const ServiceFilterContext& context) {
  return std::make_unique<NetworkExtAuthzFactory>(context);
}

}  // namespace sluice::filters
