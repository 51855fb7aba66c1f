// Asks envoy.service.auth.v3.Authorization.

#include <utility>

#include "absl/strings/ascii.h"
#include "envoy/config/core/v3/grpc_service.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"

#include "source/base/logging.h"
#include "source/filters/http/ext_authz_service.h"
#include "source/grpc/unary_call.h"

namespace sluice::filters {
namespace {

using Action = AuthzHeader::Action;
using envoy::config::core::v3::HeaderValueOption;
using envoy::service::auth::v3::CheckResponse;
using HeaderList = google::protobuf::RepeatedPtrField<HeaderValueOption>;

constexpr absl::string_view kMethod = "/envoy.service.auth.v3.Authorization/Check";
constexpr std::chrono::milliseconds kDefaultTimeout(200);

Action actionOf(HeaderValueOption::HeaderAppendAction action) {
  switch (action) {
    case HeaderValueOption::ADD_IF_ABSENT:
      return Action::AddIfAbsent;
    case HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      return Action::Overwrite;
    case HeaderValueOption::OVERWRITE_IF_EXISTS:
      return Action::OverwriteIfPresent;
    default:
      return Action::Add;
  }
}

/** `unset` counts where an option says nothing, `append` where its deprecated `append` is true. */
std::vector<AuthzHeader> readHeaders(const HeaderList& options, Action append, Action unset) {
  std::vector<AuthzHeader> out;
  for (const HeaderValueOption& option : options) {
    Action action = unset;
    if (option.has_append()) {
      action = option.append().value() ? append : Action::Overwrite;
    } else if (option.append_action() != HeaderValueOption::APPEND_IF_EXISTS_OR_ADD) {
      action = actionOf(option.append_action());
    }
    const auto& header = option.header();
    out.push_back({action, absl::AsciiStrToLower(header.key()),
                   header.raw_value().empty() ? header.value() : header.raw_value()});
  }
  return out;
}

template <class Denied>
void readDenied(const Denied& denied, AuthzAnswer& answer) {
  answer.headers = readHeaders(denied.headers(), Action::Add, Action::Overwrite);
  if (denied.has_status() && denied.status().code() != 0) {
    answer.http_status = static_cast<uint32_t>(denied.status().code());
  }
  answer.body = denied.body();
}

AuthzAnswer readAnswer(const CheckResponse& response) {
  AuthzAnswer answer;
  answer.metadata = response.dynamic_metadata();
  if (response.status().code() == static_cast<int32_t>(grpc::code::kOk)) {
    answer.verdict = AuthzAnswer::Verdict::Ok;
    const auto& ok = response.ok_response();
    answer.headers = readHeaders(ok.headers(), Action::AppendToExisting, Action::Overwrite);
    answer.headers_to_remove.assign(ok.headers_to_remove().begin(), ok.headers_to_remove().end());
    for (std::string& name : answer.headers_to_remove) {
      absl::AsciiStrToLower(&name);
    }
    answer.response_headers = readHeaders(ok.response_headers_to_add(), Action::Add, Action::Add);
    for (const auto& parameter : ok.query_parameters_to_set()) {
      answer.query_to_set.emplace_back(parameter.key(), parameter.value());
    }
    answer.query_to_remove.assign(ok.query_parameters_to_remove().begin(), ok.query_parameters_to_remove().end());
    return answer;
  }
  if (response.has_error_response()) {
    answer.verdict = AuthzAnswer::Verdict::Error;
    readDenied(response.error_response(), answer);
    return answer;
  }
  answer.verdict = AuthzAnswer::Verdict::Denied;
  answer.http_status = 403;
  readDenied(response.denied_response(), answer);
  return answer;
}

class GrpcAuthzCall final : public AuthzCall, public grpc::UnaryCallCallbacks {
 public:
  GrpcAuthzCall(const grpc::Upstreams& upstreams, event::Dispatcher& dispatcher, const grpc::ServiceConfig& service,
                AuthzCallbacks& callbacks)
      : callbacks_(callbacks), service_(service), call_(upstreams, dispatcher, service, *this) {}

  void start(const envoy::service::auth::v3::CheckRequest& request, const access_log::LogContext& parent) override {
    call_.start(kMethod, request, &parent);
  }

 private:
  void onSuccess(absl::string_view message) override {
    CheckResponse response;
    if (!response.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      LOG_DEBUG(ext_authz, "the answer of cluster {} is no CheckResponse", service_.cluster);
      callbacks_.onAnswer({});
      return;
    }
    callbacks_.onAnswer(readAnswer(response));
  }
  void onFailure(const grpc::Status& status) override {
    LOG_DEBUG(ext_authz, "no answer of cluster {}: {} {}", service_.cluster, status.code, status.message);
    callbacks_.onAnswer({});
  }

  AuthzCallbacks& callbacks_;
  const grpc::ServiceConfig& service_;
  grpc::UnaryCall call_;
};

class GrpcAuthzService final : public AuthzService {
 public:
  explicit GrpcAuthzService(grpc::ServiceConfig service) : service_(std::move(service)) {}
  std::unique_ptr<AuthzCall> newCall(const grpc::Upstreams& upstreams, event::Dispatcher& dispatcher,
                                     AuthzCallbacks& callbacks) const override {
    return std::make_unique<GrpcAuthzCall>(upstreams, dispatcher, service_, callbacks);
  }
  bool isHttp() const override { return false; }

 private:
  const grpc::ServiceConfig service_;
};

}  // namespace

std::shared_ptr<const AuthzService> AuthzService::create(const envoy::config::core::v3::GrpcService& config,
                                                         const access_log::OperatorTable& operators,
                                                         const config::FieldPath& path,
                                                         config::Violations& violations) {
  std::optional<grpc::ServiceConfig> service = grpc::ServiceConfig::create(config, operators, path, violations);
  if (!service.has_value()) {
    return nullptr;
  }
  if (!config.has_timeout()) {
    service->timeout = kDefaultTimeout;
  }
  return std::make_shared<const GrpcAuthzService>(std::move(*service));
}

}  // namespace sluice::filters
