#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

#include "source/base/logging.h"
#include "source/http/grpc_status.h"
#include "source/http/path_normalization.h"
#include "source/http/request_headers.h"
#include "source/http/route_table.h"
#include "source/http/stream.h"

namespace sluice::http {

namespace flag = net::response_flag;

namespace {

absl::string_view statusText(uint32_t status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    default:
      return "";
  }
}

bool isConnect(const HeaderMap& headers) { return headers.get(HeaderId::Method) == "CONNECT"; }

}  // namespace

void Stream::onHeaders(HeaderMap& headers, bool end_stream) {
  headers_seen_ = true;
  deadline(Timeout::Headers).cancel();
  resetIdleTimer();
  info_->protocol = manager_.codec_->protocol();
  info_->request_headers = &headers;
  info_->last_downstream_rx_byte = dispatcher().now();
  filters_->setRequestHeaders(headers);
  if (end_stream) {
    filters_->noteRequestComplete();
    onRequestComplete();
  }
  if (!recreated_) {
    routes_ = config_.routes().table();
    if (!acceptHeaders(headers)) {
      return;
    }
  }
  info_->grpc = isGrpcContentType(headers.get(HeaderId::ContentType));
  startFilters(headers, end_stream);
}

void Stream::onInterimHeaders(HeaderMap&) {}

void Stream::sendContinue() {
  auto& interim = *arena_.make<HeaderMap>(arena_);
  interim.addView(HeaderId::Status, "100");
  countResponse(interim);
  sender_->sendInterimHeaders(interim);
}

bool Stream::acceptHeaders(HeaderMap& headers) {
  const ConnectionManagerSettings& own = settings();
  if (!own.proxy_100_continue && absl::EqualsIgnoreCase(headers.get(HeaderId::Expect), "100-continue")) {
    headers.remove(HeaderId::Expect);
    sendContinue();
  }
  if (info_->protocol == Protocol::Http10) {
    if (!own.accept_http_10) {
      reply(426, "", "low_version");
      return false;
    }
    if (!headers.has(HeaderId::Authority) && !own.default_host_for_http_10.empty()) {
      headers.setView(HeaderId::Authority, own.default_host_for_http_10);
    }
    saw_connection_close_ = !absl::EqualsIgnoreCase(headers.get(HeaderId::Connection), "keep-alive");
  } else if (info_->protocol == Protocol::Http11 && asksToClose(headers)) {
    saw_connection_close_ = true;
  }
  if (!headers.has(HeaderId::Authority)) {
    reply(400, "", "missing_host_header");
    return false;
  }
  const absl::string_view path = headers.get(HeaderId::Path);
  if ((!isConnect(headers) || headers.has(HeaderId::Path)) && path.empty()) {
    reply(404, "", "missing_path_rejected");
    return false;
  }
  if (!path.empty() && path[0] != '/') {
    stats().downstream_rq_non_relative_path.inc();
    reply(404, "", "absolute_path_rejected");
    return false;
  }
  info_->original_path = path;
  const PathOutcome outcome = normalizePath(headers, own.request);
  const bool grpc = isGrpcContentType(headers.get(HeaderId::ContentType));
  if (outcome == PathOutcome::Reject || (outcome == PathOutcome::Redirect && grpc)) {
    stats().downstream_rq_failed_path_normalization.inc();
    reply(400, "", "path_normalization_failed");
    return false;
  }
  if (outcome == PathOutcome::Redirect) {
    stats().downstream_rq_redirected_with_normalized_path.inc();
    reply(307, "", "path_normalization_failed",
          [location = std::string(headers.get(HeaderId::Path))](HeaderMap& answer) {
            answer.add(HeaderId::Location, location);
          });
    return false;
  }
  normalizeHost(headers, own.request, info_->downstream_local.isIp() ? info_->downstream_local.port() : 0);

  RequestOrigin origin{connection().streamInfo().downstream_remote, info_->downstream_local, info_->downstream_tls, {}};
  if (routes_) {
    origin.internal_only_headers = routes_->internal_only_headers;
  }
  const SanitizedRequest sanitized = sanitizeRequest(headers, own.request, origin, *info_);
  if (sanitized.reject_status != 0) {
    stats().downstream_rq_rejected_via_ip_detection.inc();
    reply(sanitized.reject_status, "", "rejected_due_to_original_ip_detection");
    return false;
  }
  info_->downstream_remote = sanitized.remote;
  info_->request_id = headers.get(HeaderId::RequestId);
  return true;
}

void Stream::makeFilterChain() {
  absl::Span<const NamedFilter> chain;
  bool refused = false;
  chooseChain(chain, refused);
  filters_->addFilters(chain);
}

bool Stream::chooseChain(absl::Span<const NamedFilter>& filters, bool& refused) {
  filters = settings().filters;
  HeaderMap* const headers = filters_->requestHeaders();
  if (headers == nullptr) {
    return false;
  }
  const bool connect = isConnect(*headers);
  if (!connect && !isUpgrade(*headers)) {
    return false;
  }
  const std::string type = connect ? "connect" : absl::AsciiStrToLower(headers->get(HeaderId::Upgrade));
  std::optional<bool> by_route;
  if (const Route* const chosen = route(); chosen != nullptr && chosen->kind == Route::Kind::Forward) {
    for (const UpgradeRule& rule : chosen->forward->upgrades) {
      if (rule.type == type) {
        by_route = rule.enabled;
      }
    }
  }
  for (const UpgradeSettings& upgrade : settings().upgrades) {
    if (upgrade.type != type) {
      continue;
    }
    if (by_route.value_or(upgrade.enabled)) {
      if (upgrade.filters.has_value()) {
        filters = *upgrade.filters;
      }
      return true;
    }
    break;
  }
  if (by_route.value_or(false)) {
    return true;
  }
  // A CONNECT that no route takes is not found, which is the router's to say.
  refused = !connect || route() != nullptr;
  return false;
}

void Stream::startFilters(HeaderMap& headers, bool end_stream) {
  route();
  absl::Span<const NamedFilter> chain;
  bool refused = false;
  if (chooseChain(chain, refused)) {
    upgraded_ = true;
    stats().downstream_cx_upgrades_total.inc();
    stats().downstream_cx_upgrades_active.inc();
  }
  filters_->addFilters(chain);
  if (settings().log_on_new_request) {
    log(access_log::LogType::DownstreamStart);
  }
  if (refused) {
    stats().downstream_rq_ws_on_non_ws_route.inc();
    reply(403, "", "upgrade_failed");
    return;
  }
  filters_->decodeHeaders(headers, end_stream);
}

void Stream::onData(net::Buffer& data, bool end_stream) {
  if (ended_) {
    return;
  }
  resetIdleTimer();
  info_->bytes_received += data.length();
  info_->last_downstream_rx_byte = dispatcher().now();
  if (end_stream) {
    filters_->noteRequestComplete();
    onRequestComplete();
  }
  filters_->decodeData(data, end_stream);
}

void Stream::onTrailers(HeaderMap& trailers) {
  if (ended_) {
    return;
  }
  resetIdleTimer();
  info_->last_downstream_rx_byte = dispatcher().now();
  filters_->noteRequestComplete();
  onRequestComplete();
  filters_->decodeTrailers(trailers);
}

void Stream::onBadRequest(uint32_t status, absl::string_view details) {
  if (ended_) {
    return;
  }
  stats().downstream_rq_response_before_rq_complete.inc();
  info_->response_flags |= flag::kDownstreamProtocolError;
  filters_->noteRequestComplete();
  onRequestComplete();
  saw_connection_close_ = !manager_.isHttp2() && manager_.codec_->closesAfterStream();
  reply(status, statusText(status), details);
}

void Stream::onBodyTooLarge(bool request) { (request ? stats().downstream_rq_too_large : stats().rs_too_large).inc(); }

void Stream::pauseRequest(bool pause) {
  if (pause) {
    stats().downstream_flow_control_paused_reading_total.inc();
  } else {
    stats().downstream_flow_control_resumed_reading_total.inc();
  }
  if (sender_ != nullptr) {
    sender_->readDisable(pause);
  }
}

}  // namespace sluice::http
