#include "absl/strings/numbers.h"

#include "source/http/http_date.h"
#include "source/http/local_reply_config.h"
#include "source/http/request_headers.h"
#include "source/http/stream.h"

namespace sluice::http {

namespace flag = net::response_flag;

void Stream::onAboveWriteBufferHighWatermark() {
  ++above_watermarks_;
  filters_->onDownstreamAboveHighWatermark();
}

void Stream::onBelowWriteBufferLowWatermark() {
  --above_watermarks_;
  filters_->onDownstreamBelowLowWatermark();
}

void Stream::sendInterimHeaders(HeaderMap& headers) {
  // Where we say "100 Continue" ourselves, the upstream's interim answers stay with us.
  if (sender_ == nullptr || !settings().proxy_100_continue) {
    return;
  }
  const uint32_t before = info_->response_code;
  countResponse(headers);
  info_->response_code = before;
  sender_->sendInterimHeaders(headers);
}

void Stream::finishResponseHeaders(HeaderMap& headers) {
  const ConnectionManagerSettings& own = settings();
  const HeaderMap* const request = filters_->requestHeaders();
  if (!headers.has(HeaderId::Date)) {
    headers.setView(HeaderId::Date, arena_.copy(httpDate(dispatcher().systemNow())));
  }
  if (own.server_header == ServerHeader::Overwrite ||
      (own.server_header == ServerHeader::AppendIfAbsent && !headers.has(HeaderId::Server))) {
    headers.setView(HeaderId::Server, own.server_name);
  }
  if (request != nullptr && isUpgrade(*request) && isUpgrade(headers)) {
    const absl::string_view status = headers.get(HeaderId::Status);
    if (!headers.has(HeaderId::TransferEncoding) && !headers.has(HeaderId::ContentLength) && !status.empty() &&
        status[0] != '1') {
      headers.setView(HeaderId::ContentLength, "0");
    }
  } else {
    headers.remove(HeaderId::Connection);
    headers.remove(HeaderId::Upgrade);
  }
  headers.remove(HeaderId::TransferEncoding);
  headers.remove(HeaderId::KeepAlive);
  headers.remove(HeaderId::ProxyConnection);
  if (request != nullptr && request->has(HeaderId::RequestId) &&
      (own.always_set_request_id_in_response || request->has(HeaderId::EnvoyForceTrace))) {
    headers.set(HeaderId::RequestId, request->get(HeaderId::RequestId));
  }
  if (!own.request.via.empty()) {
    headers.append(HeaderId::Via, own.request.via, ", ");
  }
}

void Stream::sendHeaders(HeaderMap& headers, bool end_stream) {
  if (sender_ == nullptr) {
    return;
  }
  using DrainState = ConnectionManager::DrainState;
  deadline(Timeout::Headers).cancel();
  deadline(Timeout::Request).cancel();
  finishResponseHeaders(headers);
  DrainState& drain = manager_.drain_;
  const bool http2 = manager_.isHttp2();
  if (manager_.drainDue()) {
    manager_.startDrain();
    stats().downstream_cx_drain_close.inc();
  }
  if (info_->protocol == Protocol::Http10) {
    if (!headers.has(HeaderId::ContentLength)) {
      saw_connection_close_ = true;
    }
    if (!saw_connection_close_) {
      headers.setView(HeaderId::Connection, "keep-alive");
    }
  }
  if (drain == DrainState::NotDraining && saw_connection_close_) {
    drain = DrainState::Closing;
  }
  if (!filters_->requestComplete()) {
    if (!http2) {
      // The rest of the request would be in the way of the next one.
      drain = DrainState::Closing;
    }
    stats().downstream_rq_response_before_rq_complete.inc();
  }
  const absl::string_view status = headers.get(HeaderId::Status);
  const bool tunnel =
      upgraded_ && (status == "101" || (status.size() == 3 && status[0] == '2' &&
                                        filters_->requestHeaders()->get(HeaderId::Method) == "CONNECT"));
  if (drain != DrainState::NotDraining && !http2 && !tunnel) {
    headers.setView(HeaderId::Connection, "close");
  }
  countResponse(headers);
  info_->first_downstream_tx_byte = dispatcher().now();
  info_->last_downstream_tx_byte = info_->first_downstream_tx_byte;
  if (upgraded_ && settings().log_on_tunnel_established && !end_stream &&
      (info_->response_code == 101 || info_->response_code / 100 == 2)) {
    log(access_log::LogType::DownstreamTunnelSuccessfullyEstablished);
  }
  sender_->sendHeaders(headers, end_stream);
}

void Stream::countResponse(const HeaderMap& headers) {
  uint32_t status = 0;
  if (!absl::SimpleAtoi(headers.get(HeaderId::Status), &status)) {
    return;
  }
  info_->response_code = status;
  if (!info_->health_check) {
    config_.countStatus(status);
  }
}

void Stream::sendData(net::Buffer& data, bool end_stream) {
  if (sender_ == nullptr) {
    data.clear();
    return;
  }
  resetIdleTimer();
  info_->bytes_sent += data.length();
  info_->last_downstream_tx_byte = dispatcher().now();
  sender_->sendData(data, end_stream);
}

void Stream::sendTrailers(HeaderMap& trailers) {
  if (sender_ == nullptr) {
    return;
  }
  resetIdleTimer();
  info_->last_downstream_tx_byte = dispatcher().now();
  sender_->sendTrailers(trailers);
}

void Stream::rewriteLocalReply(HeaderMap& headers, uint32_t& status, std::string& body,
                               absl::string_view& content_type) {
  if (status == 400 && !manager_.isHttp2() && !settings().stream_error_on_invalid_message) {
    // Who sends what is no request is not asked for another one, as by Envoy.
    saw_connection_close_ = true;
  }
  describeCluster();
  if (settings().local_replies != nullptr) {
    settings().local_replies->rewrite(headers, *info_, status, body, content_type);
    info_->response_code = status;
  }
}

}  // namespace sluice::http
