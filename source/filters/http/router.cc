#include "source/filters/http/router.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/base/logging.h"
#include "source/base/random.h"
#include "source/filters/http/hash_policy.h"
#include "source/filters/http/request_cluster.h"
#include "source/filters/http/request_rewrite.h"
#include "source/http/grpc_status.h"
#include "source/http/header_matcher.h"
#include "source/http/header_mutations.h"
#include "source/http/route_match.h"

namespace sluice::filters {
namespace {

namespace flag = net::response_flag;
using http::HeaderId;
using std::chrono::milliseconds;

constexpr uint32_t kMillion = 1'000'000;

void appendCopy(const net::Buffer& from, net::Buffer& to) {
  from.forEachSlice([&](absl::string_view bytes) { to.append(bytes); });
}

/** Whether the value of a header that the router reads is well-formed. */
bool wellFormed(HeaderId id, absl::string_view value) {
  uint64_t number = 0;
  std::vector<std::string> unknown;
  switch (id) {
    case HeaderId::EnvoyUpstreamRequestTimeoutMs:
    case HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs:
    case HeaderId::EnvoyMaxRetries:
      return absl::SimpleAtoi(value, &number);
    case HeaderId::EnvoyRetryOn:
    case HeaderId::EnvoyRetryGrpcOn:
      http::retry_on::parse(value, id == HeaderId::EnvoyRetryGrpcOn, &unknown);
      return unknown.empty();
    default:
      return true;
  }
}

/** Whether a CONNECT (or where the route says so a POST) is for us, and its body for a TCP connection. */
bool endsTunnel(const http::ForwardAction& action, const http::HeaderMap& request) {
  for (const http::UpgradeRule& rule : action.upgrades) {
    if (rule.terminate_connect) {
      const absl::string_view method = request.get(HeaderId::Method);
      return method == "CONNECT" || (rule.allow_post && method == "POST");
    }
  }
  return false;
}

std::string requestUrl(const http::HeaderMap& request) {
  absl::string_view scheme = request.get(HeaderId::ForwardedProto);
  if (scheme.empty()) {
    scheme = request.get(HeaderId::Scheme);
  }
  return absl::StrCat(scheme, "://", request.get(HeaderId::Authority), request.get(HeaderId::Path));
}

}  // namespace

Router::~Router() { cleanUp(); }

void Router::onDestroy() { cleanUp(); }

void Router::onStreamComplete() {
  for (UpstreamRequest* request : requests_) {
    request->describe();
    if (!response_started_) {
      // The client has gone while its answer was waited for.
      logAttempt();
    }
  }
}

void Router::cleanUp() {
  done_ = true;
  response_timeout_.cancel();
  back_off_.cancel();
  for (UpstreamRequest* request : requests_) {
    request->reset();
  }
  requests_.clear();
  retry_.reset();
}

http::HeadersStatus Router::decodeHeaders(http::HeaderMap& headers, bool end_stream) {
  headers_ = &headers;
  end_stream_ = end_stream;
  started_at_ = callbacks_->dispatcher().now();
  http::StreamInfo& info = callbacks_->streamInfo();
  grpc_ = http::isGrpcContentType(headers.get(HeaderId::ContentType));
  stats().rq_total.inc();

  route_ = callbacks_->route();
  if (route_ == nullptr) {
    LOG_DEBUG(router, "no route for '{}{}'", headers.get(HeaderId::Authority), headers.get(HeaderId::Path));
    stats().no_route.inc();
    info.response_flags |= flag::kNoRouteFound;
    callbacks_->sendLocalReply({.status = 404,
                                .body = {},
                                .details = "route_not_found",
                                .grpc_status = {},
                                .modify_headers = [this](http::HeaderMap& response) { modifyResponse(response); }});
    return http::HeadersStatus::StopIteration;
  }
  if (route_->kind == http::Route::Kind::Redirect || route_->kind == http::Route::Kind::Direct) {
    answerDirectly(*route_);
    return http::HeadersStatus::StopIteration;
  }
  if (!checkStrictHeaders(headers)) {
    return http::HeadersStatus::StopIteration;
  }

  // A route that is not for forwarding names no cluster, and is answered like one whose cluster is not there.
  static const http::ForwardAction kNowhere;
  const http::ForwardAction& action = route_->kind == http::Route::Kind::Forward ? *route_->forward : kNowhere;
  const absl::string_view name = chosenCluster(*callbacks_, headers);
  local_cluster_ = cluster::LocalClusterRef(config_.clusters().find(name));
  if (!local_cluster_) {
    LOG_DEBUG(router, "unknown cluster '{}'", name);
    stats().no_cluster.inc();
    info.response_flags |= flag::kNoClusterFound;
    callbacks_->sendLocalReply({.status = action.cluster_not_found_code,
                                .body = {},
                                .details = "cluster_not_found",
                                .grpc_status = {},
                                .modify_headers = [this](http::HeaderMap& response) { modifyResponse(response); }});
    return http::HeadersStatus::StopIteration;
  }
  cluster_info_ = local_cluster_->localInfo();
  findVirtualCluster(*route_);

  const bool envoy_headers = !settings().suppress_envoy_headers;
  timeouts_ = RouteTimeouts::of(action, headers, grpc_, !envoy_headers, settings().respect_expected_timeout);
  upgrade_ = headers.has(HeaderId::Upgrade) || headers.get(HeaderId::Method) == "CONNECT";
  if (upgrade_) {
    // What goes on for as long as both sides like has no time to be complete in, but a WebSocket's handshake has.
    if (absl::EqualsIgnoreCase(headers.get(HeaderId::Upgrade), "websocket") && timeouts_.global > milliseconds(0)) {
      callbacks_->dispatcher().deadlines().set(response_timeout_, timeouts_.global);
    }
    timeouts_.global = milliseconds(0);
    timeouts_.per_try = milliseconds(0);
  }
  if (action.retry != nullptr || headers.has(HeaderId::EnvoyRetryOn) || headers.has(HeaderId::EnvoyRetryGrpcOn)) {
    retry_.emplace(action.retry.get(), headers, cluster(), action.high_priority, counts_);
    if (!retry_->enabled()) {
      retry_.reset();
    }
  } else {
    headers.remove(HeaderId::EnvoyMaxRetries);
    headers.remove(HeaderId::EnvoyRetriableStatusCodes);
    headers.remove(HeaderId::EnvoyRetriableHeaderNames);
  }
  headers.remove(HeaderId::EnvoyUpstreamRequestTimeoutAltResponse);

  // No cookie is made for nothing.
  if (!action.hash.empty() && cluster().lb.hashes()) {
    hash_ = requestHash(action.hash, headers, info, new_cookies_);
  }
  info.attempt_count = 1;
  rewriteRequest(*route_, info.weighted_cluster, headers, info, envoy_headers);
  if (!headers.has(HeaderId::Scheme)) {
    headers.set(HeaderId::Scheme, "http");
  }
  buffering_ = !upgrade_ && (retry_.has_value() || !action.mirrors.empty() || action.internal_redirect.has_value());

  startAttempt();
  if (end_stream && !done_) {
    onRequestComplete();
  }
  return http::HeadersStatus::StopIteration;
}

bool Router::checkStrictHeaders(const http::HeaderMap& headers) {
  for (const HeaderId id : settings().strict_headers) {
    const absl::string_view value = headers.get(id);
    if (value.data() == nullptr || wellFormed(id, value)) {
      continue;
    }
    callbacks_->streamInfo().response_flags |= flag::kInvalidRequestHeaders;
    const absl::string_view body =
        callbacks_->arena().copy(absl::StrCat("invalid header '", http::headerName(id), "' with value '", value, "'"));
    const absl::string_view details =
        callbacks_->arena().copy(absl::StrCat("request_headers_failed_strict_check{", http::headerName(id), "}"));
    callbacks_->sendLocalReply(
        {.status = 400, .body = body, .details = details, .grpc_status = {}, .modify_headers = nullptr});
    return false;
  }
  return true;
}

void Router::answerDirectly(const http::Route& route) {
  http::StreamInfo& info = callbacks_->streamInfo();
  // Redirects as well, as in Envoy.
  stats().rq_direct_response.inc();
  if (route.kind == http::Route::Kind::Redirect) {
    const std::string location = redirectLocation(route, *headers_);
    const uint32_t code = route.redirect->code;
    callbacks_->sendLocalReply({.status = code,
                                .body = {},
                                .details = "direct_response",
                                .grpc_status = {},
                                .modify_headers = [&info, &route, location](http::HeaderMap& response) {
                                  response.set(HeaderId::Location, location);
                                  rewriteResponse(route, info.weighted_cluster, response, info);
                                }});
    return;
  }
  const absl::string_view body =
      route.direct->body == nullptr ? absl::string_view() : absl::string_view(*route.direct->body);
  callbacks_->sendLocalReply({.status = route.direct->status,
                              .body = body,
                              .details = "direct_response",
                              .grpc_status = {},
                              .modify_headers = [this, &info, &route](http::HeaderMap& response) {
                                // What was made is where it was asked for (RFC 9110, 10.2.2).
                                if (route.direct->status == 201) {
                                  response.set(HeaderId::Location, requestUrl(*headers_));
                                }
                                rewriteResponse(route, info.weighted_cluster, response, info);
                              }});
}

void Router::findVirtualCluster(const http::Route& route) {
  counts_.route = route.stats.get();
  const http::VirtualHost* const host = route.virtual_host;
  if (host == nullptr || host->virtual_clusters.empty()) {
    return;
  }
  if (const http::VirtualCluster* const found = http::findVirtualCluster(*host, *headers_); found != nullptr) {
    counts_.virtual_cluster = found->stats.get();
    callbacks_->streamInfo().virtual_cluster = found->name;
  } else {
    counts_.virtual_cluster = host->other_cluster_stats.get();
  }
}

void Router::startAttempt() {
  const http::ForwardAction& action = *route_->forward;
  http::StreamInfo& info = callbacks_->streamInfo();
  ++attempts_;
  info.attempt_count = attempts_;
  if (route_->virtual_host != nullptr && route_->virtual_host->include_request_attempt_count) {
    headers_->setNumber(HeaderId::EnvoyAttemptCount, attempts_);
  }
  if (attempts_ > 1) {
    if (route_->virtual_host != nullptr && route_->virtual_host->include_is_timeout_retry_header) {
      headers_->set(HeaderId::EnvoyIsTimeoutRetry, is_timeout_retry_ ? "true" : "false");
    }
    if (!settings().suppress_envoy_headers) {
      timeouts_.writeExpected(*headers_,
                              std::chrono::duration_cast<milliseconds>(callbacks_->dispatcher().now() - started_at_));
    }
  }

  cluster::LoadBalancerContext context(info);
  context.request_headers = headers_;
  context.hash = hash_;
  context.metadata_match = action.metadata_match.get();
  cluster::HttpStreamOptions options;
  options.downstream_protocol = info.protocol;
  options.high_priority = action.high_priority;
  options.exclusive = upgrade_;
  options.tcp = endsTunnel(action, *headers_);
  const http::RetryPolicy* const policy = retry_.has_value() ? retry_->policy() : nullptr;
  const auto rejects = [&](const cluster::EndpointSet::Entry& entry) {
    return (policy->avoid_previous_hosts &&
            std::find(tried_.begin(), tried_.end(), entry.endpoint.get()) != tried_.end()) ||
           (policy->omit_canary_hosts && entry.canary);
  };
  absl::FunctionRef<bool(const cluster::EndpointSet::Entry&)> reject(rejects);
  if (attempts_ > 1 && policy != nullptr && (policy->avoid_previous_hosts || policy->omit_canary_hosts)) {
    options.reject = &reject;
    options.max_host_picks = 1 + policy->host_selection_retry_max_attempts;
  }

  UpstreamRequest::Timeouts timeouts;
  timeouts.per_try = timeouts_.per_try;
  timeouts.per_try_idle = timeouts_.per_try_idle;
  timeouts.max_stream_duration = cluster().recipe->http.max_stream_duration.value_or(milliseconds(0));
  auto* request = callbacks_->arena().make<UpstreamRequest>(static_cast<UpstreamRequestOwner&>(*this), *local_cluster_,
                                                            context, options, timeouts);
  if (request->endpoint() != nullptr && (policy != nullptr && policy->avoid_previous_hosts)) {
    tried_.push_back(request->endpoint().get());
  }
  requests_.push_back(request);
  sendRequest(*request);
}

void Router::sendRequest(UpstreamRequest& request) {
  const net::Buffer* const body = attempts_ > 1 ? callbacks_->decodingBuffer() : nullptr;
  const bool has_body = body != nullptr && !body->empty();
  if (attempts_ > 1 && end_stream_) {
    // Told first, so that the time for this attempt begins with its stream.
    request.onRequestComplete();
  }
  request.sendHeaders(*headers_, end_stream_ && !has_body && trailers_ == nullptr);
  if (has_body && !request.done()) {
    net::Buffer copy;
    appendCopy(*body, copy);
    request.sendData(copy, end_stream_ && trailers_ == nullptr);
  }
  if (attempts_ > 1 && trailers_ != nullptr && !request.done()) {
    request.sendTrailers(*trailers_);
  }
}

http::DataStatus Router::decodeData(net::Buffer& data, bool end_stream) {
  if (done_) {
    data.clear();
    return http::DataStatus::StopIterationNoBuffer;
  }
  end_stream_ = end_stream;
  // A filter before us had the body buffered: what comes is that very buffer, and is kept where it is.
  net::Buffer* const held = callbacks_->decodingBuffer();
  const bool kept = held == &data;
  if (buffering_) {
    const uint64_t total = (held == nullptr || kept ? 0 : held->length()) + data.length();
    const uint32_t limit = callbacks_->bufferLimit();
    if (limit != 0 && total > limit) {
      // Too large to be kept: from here on the request is sent once only.
      cluster().stats.retry_or_shadow_abandoned.inc();
      buffering_ = false;
      retry_.reset();
      if (held != nullptr && !kept) {
        held->clear();
      }
      if (requests_.empty()) {
        cleanUp();
        callbacks_->sendLocalReply({.status = 507,
                                    .body = "exceeded request buffer limit while retrying upstream",
                                    .details = "request_payload_exceeded_retry_buffer_limit",
                                    .grpc_status = {},
                                    .modify_headers = nullptr});
        return http::DataStatus::StopIterationNoBuffer;
      }
    }
  }
  UpstreamRequest* const request = current();
  if (buffering_) {
    if (request != nullptr) {
      net::Buffer copy;
      appendCopy(data, copy);
      request->sendData(copy, end_stream);
    }
    if (!done_ && !kept) {
      callbacks_->addDecodedData(data, true);
    }
  } else if (request != nullptr) {
    request->sendData(data, end_stream);
  }
  if (end_stream && !done_) {
    onRequestComplete();
  }
  return buffering_ && kept && !done_ ? http::DataStatus::StopIterationAndWatermark
                                      : http::DataStatus::StopIterationNoBuffer;
}

http::TrailersStatus Router::decodeTrailers(http::HeaderMap& trailers) {
  if (done_) {
    return http::TrailersStatus::StopIteration;
  }
  trailers_ = &trailers;
  end_stream_ = true;
  if (UpstreamRequest* const request = current(); request != nullptr) {
    request->sendTrailers(trailers);
  }
  if (!done_) {
    onRequestComplete();
  }
  return http::TrailersStatus::StopIteration;
}

UpstreamRequest* Router::current() { return requests_.empty() ? nullptr : requests_.back(); }

void Router::onRequestComplete() {
  end_stream_ = true;
  complete_at_ = callbacks_->dispatcher().now();
  if (!requests_.empty() || retry_waits_) {
    mirrorRequest();
    if (timeouts_.global > milliseconds(0)) {
      callbacks_->dispatcher().deadlines().set(response_timeout_, timeouts_.global);
    }
  }
  for (UpstreamRequest* request : requests_) {
    request->onRequestComplete();
  }
}

void Router::mirrorRequest() {
  for (const http::MirrorPolicy& policy : route_->forward->mirrors) {
    if (!buffering_) {
      return;
    }
    if (policy.share < kMillion && base::threadRandom().below(kMillion) >= policy.share) {
      continue;
    }
    const absl::string_view name =
        policy.cluster_header.empty() ? absl::string_view(policy.cluster) : headers_->get(policy.cluster_header);
    cluster::LocalCluster* const mirror = config_.clusters().find(name);
    if (mirror == nullptr) {
      LOG_DEBUG(router, "the cluster '{}' that requests are to be mirrored to does not exist", name);
      continue;
    }
    config_.shadows().send(*mirror, *headers_, callbacks_->decodingBuffer(), trailers_, timeouts_.global,
                           policy.append_shadow_to_host, callbacks_->streamInfo().protocol);
  }
}

}  // namespace sluice::filters
