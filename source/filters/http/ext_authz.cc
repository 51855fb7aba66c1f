#include "source/filters/http/ext_authz.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/auth/v3/attribute_context.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"

#include "source/cluster/cluster_info.h"
#include "source/filters/common/drawn.h"
#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/common/header_rules.h"
#include "source/filters/http/ext_authz_mutations.h"
#include "source/filters/http/pass_through.h"
#include "source/filters/http/request_cluster.h"
#include "source/http/route.h"

namespace sluice::filters {
namespace {

using envoy::service::auth::v3::CheckRequest;
using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;

constexpr absl::string_view kName = "envoy.filters.http.ext_authz";

absl::string_view protocolText(http::Protocol protocol) {
  switch (protocol) {
    case http::Protocol::Http10:
      return "HTTP/1.0";
    case http::Protocol::Http11:
      return "HTTP/1.1";
    case http::Protocol::Http2:
      return "HTTP/2";
  }
  return "";
}

/**
 * Holds the request while its service is asked: from the headers on, or from the point where enough of the body is there.
 *
 *   Passing <--no question-- (headers) --question--> Asking --ok, or error let pass--> Passing
 *                                |                     ^ '--denied, error--> Answered
 *                                '--body is wanted--> Gathering (enough)
 */
class ExtAuthzFilter final : public PassThroughFilter, public AuthzCallbacks {
 public:
  explicit ExtAuthzFilter(const ExtAuthzConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool end_stream) override {
    headers_ = &headers;
    readRoute();
    if (disabled_) {
      return HeadersStatus::Continue;
    }
    if (!enabled()) {
      config_.stats().disabled.inc();
      if (!config_.settings().deny_at_disable) {
        return HeadersStatus::Continue;
      }
      refuse(config_.settings().status_on_error, {}, nullptr, "ext_authz_error");
      return HeadersStatus::StopIteration;
    }
    if (body_.has_value() && !end_stream && !headers.has(HeaderId::Upgrade) &&
        headers.get(HeaderId::Method) != "CONNECT") {
      state_ = State::Gathering;
      if (!body_->allow_partial) {
        decoder_->setBufferLimit(body_->max_bytes);
      }
      return HeadersStatus::StopIteration;
    }
    body_.reset();
    ask(nullptr, end_stream);
    return state_ == State::Passing ? HeadersStatus::Continue : HeadersStatus::StopAllIterationAndWatermark;
  }

  DataStatus decodeData(net::Buffer& data, bool end_stream) override {
    switch (state_) {
      case State::Passing:
        return DataStatus::Continue;
      case State::Answered:
        return DataStatus::StopIterationNoBuffer;
      case State::Asking:
        return DataStatus::StopIterationAndWatermark;
      case State::Gathering:
        break;
    }
    const net::Buffer* const before = decoder_->decodingBuffer();
    const uint64_t length = data.length() + (before == nullptr ? 0 : before->length());
    if (!end_stream && !(body_->allow_partial && length >= body_->max_bytes)) {
      return DataStatus::StopIterationAndBuffer;
    }
    if (!body_->allow_partial && length > body_->max_bytes) {
      // The filter manager finds the limit exceeded and refuses the request.
      return DataStatus::StopIterationAndBuffer;
    }
    ask(&data, end_stream);
    return state_ == State::Passing ? DataStatus::Continue : DataStatus::StopIterationAndWatermark;
  }

  TrailersStatus decodeTrailers(HeaderMap&) override {
    if (state_ == State::Gathering) {
      ask(nullptr, true);
    }
    return state_ == State::Passing ? TrailersStatus::Continue : TrailersStatus::StopIteration;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool) override {
    for (const AuthzHeader& each : response_headers_) {
      applyAuthzHeader(each, headers);
    }
    return HeadersStatus::Continue;
  }

  void onDestroy() override { call_.reset(); }

 private:
  enum class State : uint8_t { Passing, Gathering, Asking, Answered };

  void readRoute() {
    body_ = config_.settings().body;
    service_ = config_.settings().service.get();
    decoder_->forEachPerRouteConfig([this](const http::PerRouteConfig& config) {
      const auto& route = static_cast<const ExtAuthzPerRoute&>(config);
      disabled_ = route.disabled;
      if (route.no_body) {
        body_.reset();
      } else if (route.body.has_value()) {
        body_ = route.body;
      }
      if (route.service != nullptr) {
        service_ = route.service.get();
      }
    });
  }

  bool enabled() {
    const ExtAuthzSettings& settings = config_.settings();
    if (settings.enabled.has_value() && !drawn(*settings.enabled)) {
      return false;
    }
    const auto& extras = decoder_->streamInfo().extras;
    return !settings.enabled_metadata.has_value() ||
           settings.enabled_metadata->matches(extras == nullptr ? nullptr : extras->metadata.get());
  }

  /** `data` is what has just come of the body; the rest is in the buffer. */
  void ask(const net::Buffer* data, bool end_stream) {
    state_ = State::Asking;
    cluster_ = decoder_->arena().copy(chosenCluster(*decoder_, *headers_));
    CheckRequest request;
    fillRequest(data, end_stream, request);
    asked_at_ = decoder_->dispatcher().now();
    inside_ask_ = true;
    call_ = service_->newCall(config_.upstreams(), decoder_->dispatcher(), *this);
    call_->start(request, formatContext(decoder_->streamInfo()));
    inside_ask_ = false;
  }

  void fillRequest(const net::Buffer* data, bool end_stream, CheckRequest& out);
  void fillHeaders(envoy::service::auth::v3::AttributeContext_HttpRequest& out);
  void fillBody(const net::Buffer* data, bool end_stream, envoy::service::auth::v3::AttributeContext_HttpRequest& out);
  bool isSent(absl::string_view name) const;

  void onAnswer(AuthzAnswer answer) override {
    const auto asked = std::move(call_);
    if (config_.settings().validate_mutations && !validAuthzAnswer(answer)) {
      config_.stats().invalid.inc();
      refuse(500, {}, nullptr, "ext_authz_invalid");
      return;
    }
    takeMetadata(answer);
    switch (answer.verdict) {
      case AuthzAnswer::Verdict::Ok:
        config_.stats().ok.inc();
        count("ok");
        allow(std::move(answer));
        return;
      case AuthzAnswer::Verdict::Denied:
        config_.stats().denied.inc();
        count("denied");
        if (config_.settings().charge_cluster && !cluster_.empty()) {
          config_.chargeResponse(cluster_, answer.http_status);
        }
        refuse(answer.http_status, answer.body, &answer.headers, "ext_authz_denied");
        return;
      case AuthzAnswer::Verdict::Error:
        onError(answer);
        return;
    }
  }

  void onError(const AuthzAnswer& answer) {
    config_.stats().error.inc();
    count("error");
    if (!config_.settings().failure_mode_allow) {
      refuse(answer.http_status != 0 ? answer.http_status : config_.settings().status_on_error, answer.body,
             &answer.headers, "ext_authz_error");
      return;
    }
    config_.stats().failure_mode_allowed.inc();
    count("failure_mode_allowed");
    if (config_.settings().failure_mode_header) {
      headers_->set("x-envoy-auth-failure-mode-allowed", "true");
    }
    proceed();
  }

  void allow(AuthzAnswer answer) {
    const bool changed = applyAuthzAnswer(answer, *headers_);
    response_headers_ = std::move(answer.response_headers);
    if (changed && config_.settings().clear_route_cache) {
      decoder_->clearRouteCache();
    }
    proceed();
  }

  void proceed() {
    state_ = State::Passing;
    if (!inside_ask_) {
      decoder_->continueDecoding();
    }
  }

  void refuse(uint32_t status, absl::string_view body, const std::vector<AuthzHeader>* headers,
              absl::string_view details) {
    state_ = State::Answered;
    decoder_->streamInfo().response_flags |= net::response_flag::kUnauthorizedExternalService;
    http::LocalReply reply;
    reply.status = status;
    const uint32_t limit = config_.settings().max_denied_body;
    reply.body = limit == 0 ? body : body.substr(0, limit);
    reply.details = details;
    if (headers != nullptr && !headers->empty()) {
      // The reply may go out after the answer has gone.
      reply.modify_headers = [added = *headers](HeaderMap& response) { applyAuthzReply(added, response); };
    }
    decoder_->sendLocalReply(reply);
  }

  void takeMetadata(AuthzAnswer& answer) {
    if (answer.metadata.fields().empty()) {
      return;
    }
    if (!config_.settings().take_metadata) {
      config_.stats().ignored_dynamic_metadata.inc();
      return;
    }
    const std::chrono::duration<double, std::milli> took = decoder_->dispatcher().now() - asked_at_;
    (*answer.metadata.mutable_fields())["ext_authz_duration"].set_number_value(took.count());
    addDynamicMetadata(decoder_->streamInfo(), kName, answer.metadata);
  }

  void count(absl::string_view what) {
    if (!cluster_.empty()) {
      config_.countFor(cluster_, what);
    }
  }

  const ExtAuthzConfig& config_;
  const AuthzService* service_ = nullptr;
  HeaderMap* headers_ = nullptr;
  std::optional<AuthzBody> body_;
  absl::string_view cluster_;
  base::MonotonicTime asked_at_;
  std::vector<AuthzHeader> response_headers_;
  std::unique_ptr<AuthzCall> call_;
  State state_ = State::Passing;
  bool disabled_ = false;
  bool inside_ask_ = false;
};

bool ExtAuthzFilter::isSent(absl::string_view name) const {
  const ExtAuthzSettings& settings = config_.settings();
  if (settings.disallowed_headers.contains(name)) {
    return false;
  }
  const HeaderNames* const of_service = service_->allowedHeaders();
  const bool limited = service_->isHttp() || !settings.allowed_headers.empty();
  return !limited || name == ":method" || name == ":path" || name == ":authority" || name == "authorization" ||
         settings.allowed_headers.contains(name) || (of_service != nullptr && of_service->contains(name));
}

void ExtAuthzFilter::fillHeaders(envoy::service::auth::v3::AttributeContext_HttpRequest& out) {
  headers_->forEach([&](const http::Header& header) {
    if (!isSent(header.name)) {
      return;
    }
    if (config_.settings().raw_headers) {
      auto* const field = out.mutable_header_map()->add_headers();
      field->set_key(std::string(header.name));
      field->set_raw_value(std::string(header.value));
      return;
    }
    std::string& value = (*out.mutable_headers())[std::string(header.name)];
    value = value.empty() ? asUtf8(header.value) : absl::StrCat(value, ",", asUtf8(header.value));
  });
}

void ExtAuthzFilter::fillBody(const net::Buffer* data, bool end_stream,
                              envoy::service::auth::v3::AttributeContext_HttpRequest& out) {
  const net::Buffer* const before = decoder_->decodingBuffer();
  std::string bytes = before == nullptr ? std::string() : before->toString();
  if (data != nullptr) {
    bytes += data->toString();
  }
  const bool partial = bytes.size() > body_->max_bytes || !end_stream;
  if (bytes.size() > body_->max_bytes) {
    bytes.resize(body_->max_bytes);
  }
  if (body_->as_bytes) {
    out.set_raw_body(std::move(bytes));
  } else {
    out.set_body(asUtf8(bytes));
  }
  const char* const text = partial ? "true" : "false";
  if (config_.settings().raw_headers) {
    auto* const field = out.mutable_header_map()->add_headers();
    field->set_key("x-envoy-auth-partial-body");
    field->set_raw_value(text);
  } else {
    (*out.mutable_headers())["x-envoy-auth-partial-body"] = text;
  }
}

void ExtAuthzFilter::fillRequest(const net::Buffer* data, bool end_stream, CheckRequest& out) {
  const http::StreamInfo& info = decoder_->streamInfo();
  const ExtAuthzSettings& settings = config_.settings();
  auto& attributes = *out.mutable_attributes();
  // What x-forwarded-for says of the client is among the headers.
  net::Connection* const connection = decoder_->connection();
  const net::StreamInfo& of_stream = info;
  fillConnection(connection == nullptr ? of_stream : connection->streamInfo(), settings.tls, attributes);
  attributes.mutable_source()->set_service(asUtf8(headers_->get(HeaderId::EnvoyDownstreamServiceCluster)));
  for (const auto& [name, value] : settings.destination_labels) {
    (*attributes.mutable_destination()->mutable_labels())[name] = value;
  }
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::nanoseconds>(info.start_time.time_since_epoch()).count();
  attributes.mutable_request()->mutable_time()->set_seconds(since_epoch / 1'000'000'000);
  attributes.mutable_request()->mutable_time()->set_nanos(static_cast<int32_t>(since_epoch % 1'000'000'000));
  auto& http = *attributes.mutable_request()->mutable_http();
  http.set_id(asUtf8(info.request_id));
  http.set_method(asUtf8(headers_->get(HeaderId::Method)));
  http.set_path(asUtf8(headers_->get(HeaderId::Path)));
  http.set_host(asUtf8(headers_->get(HeaderId::Authority)));
  http.set_scheme(asUtf8(headers_->get(HeaderId::Scheme)));
  http.set_protocol(std::string(protocolText(info.protocol)));
  http.set_size(static_cast<int64_t>(info.bytes_received));
  fillHeaders(http);
  if (body_.has_value()) {
    fillBody(data, end_stream, http);
  }
  decoder_->forEachPerRouteConfig([&attributes](const http::PerRouteConfig& config) {
    for (const auto& [key, value] : static_cast<const ExtAuthzPerRoute&>(config).context_extensions) {
      (*attributes.mutable_context_extensions())[key] = value;
    }
  });
  if (!settings.metadata.empty()) {
    settings.metadata.copy(info.extras == nullptr ? nullptr : info.extras->metadata.get(),
                           *attributes.mutable_metadata_context());
  }
  const http::Route* const route = decoder_->route();
  if (!settings.route_metadata.empty()) {
    settings.route_metadata.copy(route == nullptr ? nullptr : route->metadata.get(),
                                 *attributes.mutable_route_metadata_context());
  }
}

}  // namespace

ExtAuthzStats::ExtAuthzStats(stats::Scope& scope)
    : ok(scope.counter("ok")),
      denied(scope.counter("denied")),
      error(scope.counter("error")),
      disabled(scope.counter("disabled")),
      failure_mode_allowed(scope.counter("failure_mode_allowed")),
      invalid(scope.counter("invalid")),
      ignored_dynamic_metadata(scope.counter("ignored_dynamic_metadata")) {}

void ExtAuthzConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<ExtAuthzFilter>(*this));
}

void ExtAuthzConfig::countFor(absl::string_view cluster, absl::string_view what) const {
  cluster_stats_.with(absl::StrCat(cluster, ".ext_authz.", settings_.stat_prefix, what),
                      [](const NamedCounter& named) { named.counter.inc(); });
}

void ExtAuthzConfig::chargeResponse(absl::string_view cluster, uint32_t status) const {
  if (const cluster::LocalInfo info = upstreams_.info(cluster)) {
    (*info)->codes->all.countResponse(status);
  }
}

}  // namespace sluice::filters
