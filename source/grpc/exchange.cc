#include "source/grpc/exchange.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/base/assert.h"
#include "source/cluster/cluster_info.h"

namespace sluice::grpc {
namespace {

CallFailure callFailure(cluster::PoolFailure failure) {
  switch (failure) {
    case cluster::PoolFailure::NoHealthyUpstream:
      return CallFailure::NoHealthyUpstream;
    case cluster::PoolFailure::Overflow:
      return CallFailure::Overflow;
    case cluster::PoolFailure::LocalConnectionFailure:
    case cluster::PoolFailure::RemoteConnectionFailure:
    case cluster::PoolFailure::ConnectTimeout:
      return CallFailure::ConnectFailure;
  }
  return CallFailure::ConnectFailure;
}

}  // namespace

absl::string_view failureText(CallFailure failure) {
  switch (failure) {
    case CallFailure::NoCluster:
      return "no such cluster";
    case CallFailure::NoHealthyUpstream:
      return "no healthy upstream";
    case CallFailure::Overflow:
      return "upstream overflow";
    case CallFailure::ConnectFailure:
      return "upstream connect error";
    case CallFailure::Reset:
      return "upstream reset";
    case CallFailure::RefusedStream:
      return "upstream refused the stream";
    case CallFailure::Timeout:
      return "upstream request timeout";
    case CallFailure::TooLarge:
      return "response too large";
  }
  return "";
}

void AbandonExchange::operator()(Exchange* exchange) const { exchange->abandon(); }

ExchangePtr Exchange::create(const Upstreams& upstreams, event::Dispatcher& dispatcher, ExchangeObserver& observer) {
  return ExchangePtr(new Exchange(upstreams, dispatcher, observer));
}

Exchange::Exchange(const Upstreams& upstreams, event::Dispatcher& dispatcher, ExchangeObserver& observer)
    : upstreams_(upstreams), dispatcher_(dispatcher), observer_(&observer) {}

Exchange::~Exchange() = default;

void Exchange::abandon() {
  observer_ = nullptr;
  done_ = true;
  timeout_.cancel();
  if (sender_ != nullptr) {
    sender_ = nullptr;
    upstream_->reset(http::ResetReason::Local);
  }
  upstream_.reset();
  dispatcher_.deferredDelete(std::unique_ptr<event::DeferredDeletable>(this));
}

void Exchange::start(absl::string_view cluster, const Options& options) {
  started_ = dispatcher_.now();
  request_ended_ = options.end_stream;
  cluster::HttpStreamOptions stream_options;
  stream_options.downstream_protocol = options.protocol;
  Upstreams::Opened opened = upstreams_.open(cluster, headers_, *this, *this, stream_options);
  if (opened.stream == nullptr) {
    fail(CallFailure::NoCluster, absl::StrCat("cluster not found: ", cluster));
    return;
  }
  upstream_ = std::move(opened.stream);
  info_ = std::move(opened.info);
  if (options.timeout.has_value()) {
    dispatcher_.deadlines().set(timeout_, *options.timeout);
  }
  upstream_->start();
}

void Exchange::send(net::Buffer& data, bool end_stream) {
  if (done_ || request_ended_) {
    data.clear();
    return;
  }
  request_ended_ = end_stream;
  if (sender_ != nullptr) {
    sender_->sendData(data, end_stream);
  } else {
    waiting_.move(data);
  }
}

void Exchange::onPoolReady(const cluster::UpstreamStream& stream) {
  sender_ = stream.sender;
  const bool more = !waiting_.empty() || !request_ended_;
  sender_->sendHeaders(headers_, !more);
  if (sender_ != nullptr && !waiting_.empty()) {
    sender_->sendData(waiting_, request_ended_);
  }
}

void Exchange::onPoolFailure(cluster::PoolFailure failure, absl::string_view details) {
  const CallFailure why = callFailure(failure);
  count(503);
  fail(why, details.empty() ? std::string(failureText(why)) : absl::StrCat(failureText(why), ": ", details));
}

void Exchange::onHeaders(http::HeaderMap& headers, bool end_stream) {
  if (!absl::SimpleAtoi(headers.get(http::HeaderId::Status), &status_)) {
    status_ = 0;
  }
  if (end_stream) {
    finish();
  }
  if (observer_ != nullptr) {
    observer_->onHeaders(headers, end_stream);
  }
}

void Exchange::onData(net::Buffer& data, bool end_stream) {
  if (end_stream) {
    finish();
  }
  if (observer_ != nullptr) {
    observer_->onData(data, end_stream);
  }
}

void Exchange::onTrailers(http::HeaderMap& trailers) {
  finish();
  if (observer_ != nullptr) {
    observer_->onTrailers(trailers);
  }
}

void Exchange::onReset(http::ResetReason reason, absl::string_view details) {
  sender_ = nullptr;
  if (upstream_ != nullptr) {
    upstream_->onStreamEnd(reason);
  }
  if (done_) {
    return;
  }
  count(503);
  const CallFailure why = reason == http::ResetReason::RemoteRefused ? CallFailure::RefusedStream : CallFailure::Reset;
  fail(why, absl::StrCat(failureText(why), ": ", details.empty() ? http::resetReasonName(reason) : details));
}

void Exchange::onBelowWriteBufferLowWatermark() {
  above_mark_ = false;
  if (observer_ != nullptr && !done_) {
    observer_->onWritable();
  }
}

void Exchange::onTimeout() {
  if (info_) {
    (*info_)->stats.upstream_rq_timeout.inc();
  }
  if (upstream_ != nullptr && upstream_->endpoint() != nullptr) {
    upstream_->requests().countTimeout();
  }
  count(504);
  fail(CallFailure::Timeout, failureText(CallFailure::Timeout));
}

void Exchange::finish() {
  if (done_) {
    return;
  }
  done_ = true;
  timeout_.cancel();
  count(status_);
  sender_ = nullptr;
  if (upstream_ == nullptr) {
    return;
  }
  if (request_ended_) {
    upstream_->onStreamEnd();
  } else {
    upstream_->reset(http::ResetReason::Local);
  }
}

void Exchange::fail(CallFailure failure, absl::string_view text) {
  done_ = true;
  timeout_.cancel();
  if (sender_ != nullptr) {
    sender_ = nullptr;
    upstream_->reset(http::ResetReason::Local);
  }
  // The stream may be what called; it stays with this until the stack has unwound.
  if (observer_ != nullptr) {
    observer_->onFailure(failure, text);
  }
}

void Exchange::count(uint32_t status) {
  if (!info_) {
    return;
  }
  const cluster::ClusterCodeStats& codes = *(*info_)->codes;
  codes.all.countResponse(status);
  codes.internal.countResponse(status);
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(dispatcher_.now() - started_);
  codes.all.recordTime(static_cast<uint64_t>(time.count()));
  codes.internal.recordTime(static_cast<uint64_t>(time.count()));
  if (upstream_ != nullptr && upstream_->endpoint() != nullptr) {
    if (status >= 500) {
      upstream_->requests().countError();
    } else {
      upstream_->requests().countSuccess();
    }
  }
}

}  // namespace sluice::grpc
