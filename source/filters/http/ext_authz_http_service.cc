// Asks by sending the request's headers on, and takes the status of the answer for one.

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"

#include "source/base/logging.h"
#include "source/base/random.h"
#include "source/config/duration.h"
#include "source/event/deadline.h"
#include "source/filters/http/ext_authz_service.h"
#include "source/grpc/http_call.h"

namespace sluice::filters {
namespace {

using Action = AuthzHeader::Action;
using envoy::service::auth::v3::CheckRequest;
using http::HeaderId;

constexpr uint64_t kMaxBody = 16 * 1024 * 1024;

struct HttpSettings {
  std::string cluster;
  std::chrono::milliseconds timeout{0};
  std::string path_prefix;
  HeaderNames allowed;
  std::shared_ptr<const http::HeaderMutations> headers_to_add;
  HeaderNames upstream;
  HeaderNames upstream_to_append;
  HeaderNames client;
  HeaderNames client_on_success;
  HeaderNames metadata;
  grpc::RetrySettings retry;
};

/** With a list of its own an answer's headers still have those that its status means nothing without. */
bool goesToClient(const HeaderNames& names, absl::string_view name) {
  if (name == "host") {
    return false;
  }
  return names.empty() || name == "www-authenticate" || name == "location" || names.contains(name);
}

/** What frames the answer's message is not the client's. */
bool framing(const http::Header& header) {
  return absl::StartsWith(header.name, ":") || header.id == HeaderId::ContentLength ||
         header.id == HeaderId::TransferEncoding || header.id == HeaderId::Connection ||
         header.id == HeaderId::KeepAlive;
}

AuthzAnswer readAnswer(const HttpSettings& settings, const grpc::HttpResponse& response) {
  AuthzAnswer answer;
  if (response.status >= 500 || response.status < 200) {
    return answer;
  }
  const bool ok = response.status == 200;
  answer.verdict = ok ? AuthzAnswer::Verdict::Ok : AuthzAnswer::Verdict::Denied;
  if (!ok) {
    answer.http_status = response.status;
    answer.body = response.body.toString();
  }
  response.headers.forEach([&](const http::Header& header) {
    if (framing(header)) {
      return;
    }
    const std::string name(header.name);
    const std::string value(header.value);
    if (name == "x-envoy-auth-headers-to-remove") {
      for (const absl::string_view each : absl::StrSplit(value, ',', absl::SkipWhitespace())) {
        answer.headers_to_remove.push_back(absl::AsciiStrToLower(absl::StripAsciiWhitespace(each)));
      }
      return;
    }
    if (settings.metadata.contains(name)) {
      (*answer.metadata.mutable_fields())[name].set_string_value(value);
    }
    if (!ok) {
      if (goesToClient(settings.client, name)) {
        answer.headers.push_back({Action::Overwrite, name, value});
      }
      return;
    }
    if (settings.upstream.contains(name)) {
      answer.headers.push_back({Action::Overwrite, name, value});
    }
    if (settings.upstream_to_append.contains(name)) {
      answer.headers.push_back({Action::AppendToExisting, name, value});
    }
    if (settings.client_on_success.contains(name)) {
      answer.response_headers.push_back({Action::Add, name, value});
    }
  });
  return answer;
}

class HttpAuthzCall final : public AuthzCall, public grpc::HttpCallCallbacks {
 public:
  HttpAuthzCall(const grpc::Upstreams& upstreams, event::Dispatcher& dispatcher, const HttpSettings& settings,
                AuthzCallbacks& callbacks)
      : upstreams_(upstreams),
        dispatcher_(dispatcher),
        settings_(settings),
        callbacks_(callbacks),
        retries_left_(settings.retry.max_retries),
        interval_(settings.retry.base) {}

  void start(const CheckRequest& request, const access_log::LogContext& parent) override {
    const auto& http = request.attributes().request().http();
    body_ = http.raw_body().empty() ? http.body() : http.raw_body();
    base::Arena arena;
    http::HeaderMap headers(arena);
    const auto add = [&](const std::string& name, const std::string& value) {
      // The length is the question's, not the request's.
      if (name != "content-length" && name != "transfer-encoding" && name != "host" && name != "connection") {
        headers.add(name, name == ":path" ? absl::StrCat(settings_.path_prefix, value) : value);
      }
    };
    for (const auto& header : http.header_map().headers()) {
      add(header.key(), header.raw_value());
    }
    for (const auto& [name, value] : http.headers()) {
      add(name, value);
    }
    headers.setNumber(HeaderId::ContentLength, body_.size());
    if (settings_.headers_to_add != nullptr) {
      settings_.headers_to_add->apply(headers, parent);
    }
    headers.forEach([this](const http::Header& header) {
      headers_.emplace_back(std::string(header.name), std::string(header.value));
    });
    due_ = dispatcher_.now() + settings_.timeout;
    begin();
  }

 private:
  void begin() {
    call_.emplace(upstreams_, dispatcher_, *this);
    for (const auto& [name, value] : headers_) {
      call_->headers().add(name, value);
    }
    grpc::HttpCall::Options options;
    options.cluster = settings_.cluster;
    options.timeout = std::max(std::chrono::milliseconds(1),
                               std::chrono::duration_cast<std::chrono::milliseconds>(due_ - dispatcher_.now()));
    options.max_response_bytes = kMaxBody;
    net::Buffer body;
    body.append(body_);
    call_->start(options, body);
  }

  /** True when another attempt will follow. */
  bool again(bool wanted) {
    const std::chrono::milliseconds pause(base::threadRandom().below(static_cast<uint64_t>(interval_.count()) + 1));
    if (!wanted || retries_left_ == 0 || dispatcher_.now() + pause >= due_) {
      return false;
    }
    --retries_left_;
    interval_ = std::min(interval_ * 2, settings_.retry.max);
    dispatcher_.deadlines().set(back_off_, pause);
    return true;
  }

  void onResponse(const grpc::HttpResponse& response) override {
    const grpc::RetrySettings& retry = settings_.retry;
    if (again((retry.on_5xx && response.status >= 500) ||
              (retry.on_gateway_error && response.status >= 502 && response.status <= 504))) {
      return;
    }
    callbacks_.onAnswer(readAnswer(settings_, response));
  }
  void onFailure(grpc::CallFailure failure, absl::string_view text) override {
    const grpc::RetrySettings& retry = settings_.retry;
    LOG_DEBUG(ext_authz, "no answer of cluster {}: {}", settings_.cluster, text);
    if (again((retry.on_connect_failure && failure == grpc::CallFailure::ConnectFailure) ||
              (retry.on_reset && failure == grpc::CallFailure::Reset) ||
              (retry.on_refused_stream && failure == grpc::CallFailure::RefusedStream))) {
      return;
    }
    callbacks_.onAnswer({});
  }

  const grpc::Upstreams& upstreams_;
  event::Dispatcher& dispatcher_;
  const HttpSettings& settings_;
  AuthzCallbacks& callbacks_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string body_;
  base::MonotonicTime due_;
  uint32_t retries_left_;
  std::chrono::milliseconds interval_;
  std::optional<grpc::HttpCall> call_;
  event::MemberDeadline<HttpAuthzCall, &HttpAuthzCall::begin> back_off_{*this};
};

class HttpAuthzService final : public AuthzService {
 public:
  explicit HttpAuthzService(HttpSettings settings) : settings_(std::move(settings)) {}
  std::unique_ptr<AuthzCall> newCall(const grpc::Upstreams& upstreams, event::Dispatcher& dispatcher,
                                     AuthzCallbacks& callbacks) const override {
    return std::make_unique<HttpAuthzCall>(upstreams, dispatcher, settings_, callbacks);
  }
  bool isHttp() const override { return true; }
  const HeaderNames* allowedHeaders() const override { return &settings_.allowed; }

 private:
  const HttpSettings settings_;
};

}  // namespace

bool HeaderNames::contains(absl::string_view lower_name) const {
  for (const matcher::StringMatcher& pattern : patterns) {
    if (pattern.matches(lower_name)) {
      return true;
    }
  }
  return false;
}

HeaderNames HeaderNames::create(const envoy::type::matcher::v3::ListStringMatcher& config, matcher::RegexLimit limit,
                                const config::FieldPath& path, config::Violations& violations) {
  HeaderNames out;
  for (int i = 0; i < config.patterns_size(); ++i) {
    out.patterns.push_back(matcher::toStringMatcher(config.patterns(i), limit,
                                                    path.field("patterns").index(static_cast<size_t>(i)), violations));
  }
  return out;
}

std::shared_ptr<const AuthzService> AuthzService::create(
    const envoy::extensions::filters::http::ext_authz::v3::HttpService& config,
    const access_log::OperatorTable& operators, matcher::RegexLimit limit, const config::FieldPath& path,
    config::Violations& violations) {
  const size_t mistakes = violations.size();
  HttpSettings out;
  out.cluster = config.server_uri().cluster();
  if (out.cluster.empty()) {
    violations.add(path.field("server_uri").field("cluster"), "must name a cluster");
  }
  out.timeout = std::chrono::milliseconds(config::toMilliseconds(config.server_uri().timeout()));
  if (out.timeout.count() <= 0) {
    violations.add(path.field("server_uri").field("timeout"), "must be longer than zero");
  }
  out.path_prefix = config.path_prefix();
  if (!out.path_prefix.empty() && out.path_prefix[0] != '/') {
    violations.add(path.field("path_prefix"), "must begin with a slash");
  }
  const auto names = [&](const config::FieldPath& parent, absl::string_view field, const auto& list) {
    return HeaderNames::create(list, limit, parent.field(field), violations);
  };
  const config::FieldPath request_path = path.field("authorization_request");
  const auto& request = config.authorization_request();
  out.allowed = names(request_path, "allowed_headers", request.allowed_headers());
  http::HeaderMutations added;
  for (int i = 0; i < request.headers_to_add_size(); ++i) {
    envoy::config::core::v3::HeaderValueOption option;
    *option.mutable_header() = request.headers_to_add(i);
    option.set_append_action(envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
    added.addOption(option, operators, request_path.field("headers_to_add").index(static_cast<size_t>(i)), violations);
  }
  if (!added.empty()) {
    out.headers_to_add = std::make_shared<const http::HeaderMutations>(std::move(added));
  }
  const config::FieldPath response_path = path.field("authorization_response");
  const auto& response = config.authorization_response();
  out.upstream = names(response_path, "allowed_upstream_headers", response.allowed_upstream_headers());
  out.upstream_to_append =
      names(response_path, "allowed_upstream_headers_to_append", response.allowed_upstream_headers_to_append());
  out.client = names(response_path, "allowed_client_headers", response.allowed_client_headers());
  out.client_on_success =
      names(response_path, "allowed_client_headers_on_success", response.allowed_client_headers_on_success());
  out.metadata = names(response_path, "dynamic_metadata_from_headers", response.dynamic_metadata_from_headers());
  if (config.has_retry_policy()) {
    out.retry = grpc::RetrySettings::create(config.retry_policy(), path.field("retry_policy"), violations);
  }
  if (violations.size() != mistakes) {
    return nullptr;
  }
  return std::make_shared<const HttpAuthzService>(std::move(out));
}

}  // namespace sluice::filters
