#include "source/http/http2_stream.h"

#include "source/base/assert.h"
#include "source/http/http2_allocator.h"
#include "source/http/http2_callbacks.h"
#include "source/http/http2_header_encoding.h"
#include "source/http/http2_session.h"

namespace sluice::http {
namespace {

uint32_t resetCode(ResetReason reason) {
  switch (reason) {
    case ResetReason::LocalNoError:
      return NGHTTP2_NO_ERROR;
    case ResetReason::LocalRefused:
    case ResetReason::RemoteRefused:
      return NGHTTP2_REFUSED_STREAM;
    case ResetReason::Local:
    case ResetReason::Remote:
      return NGHTTP2_CANCEL;
    case ResetReason::ProtocolError:
      return NGHTTP2_PROTOCOL_ERROR;
    case ResetReason::ConnectionFailure:
    case ResetReason::ConnectionTimeout:
    case ResetReason::ConnectionTermination:
    case ResetReason::Overflow:
      return NGHTTP2_INTERNAL_ERROR;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

nghttp2_nv copied(base::Arena& arena, const nghttp2_nv& from) {
  nghttp2_nv to = from;
  if ((from.flags & NGHTTP2_NV_FLAG_NO_COPY_NAME) == 0) {
    to.name = static_cast<uint8_t*>(arena.allocate(from.namelen + 1, 1));
    std::memcpy(to.name, from.name, from.namelen);
  }
  to.value = static_cast<uint8_t*>(arena.allocate(from.valuelen + 1, 1));
  std::memcpy(to.value, from.value, from.valuelen);
  return to;
}

}  // namespace

void* Http2Stream::operator new(size_t size) {
  void* memory = http2Memory()->malloc(size, nullptr);
  SLUICE_CHECK(memory != nullptr, "out of memory");
  return memory;
}

void Http2Stream::operator delete(void* memory) { http2Memory()->free(memory, nullptr); }

Http2Stream::~Http2Stream() { session_.stats_.pending_send_bytes.sub(out_.length()); }

void Http2Stream::sendHeaders(const HeaderMap& headers, bool end_stream) {
  if (receiver_ == nullptr || headers_submitted_ || closed_) {
    return;
  }
  headers_submitted_ = true;
  if (session_.server_ != nullptr) {
    submitResponse(headers, end_stream);
  } else {
    submitRequest(headers, end_stream);
  }
  session_.scheduleFlush();
  tellWatermark();
  if (end_stream) {
    endLocally();
  }
}

void Http2Stream::submitResponse(const HeaderMap& headers, bool end_stream) {
  Http2HeaderBlock block;
  encodeHttp2Headers(headers, upgradeResponseToHttp2(headers), block);
  nghttp2_data_provider provider = http2DataProvider();
  provider.source.ptr = this;
  if (nghttp2_submit_response(session_.session_, id_, block.data(), block.size(), end_stream ? nullptr : &provider) ==
      0) {
    ++session_.headers_queued_;
  }
}

void Http2Stream::submitRequest(const HeaderMap& headers, bool end_stream) {
  const Http2Upgrade upgrade = upgradeRequestToHttp2(headers);
  if (!upgrade.protocol.empty()) {
    upgrade_ = receiver_->arena().copy(upgrade.protocol);
  }
  Http2HeaderBlock block;
  encodeHttp2Headers(headers, upgrade, block);
  nghttp2_data_provider provider = http2DataProvider();
  provider.source.ptr = this;
  id_ = nghttp2_submit_request(session_.session_, nullptr, block.data(), block.size(), end_stream ? nullptr : &provider,
                               this);
  if (id_ >= 0) {
    ++session_.headers_queued_;
    return;
  }
  // The peer has said GOAWAY, or there are no ids left. Told at the unwinding, as the caller holds us now.
  closed_ = true;
  session_.failed_streams_ = true;
}

void Http2Stream::sendInterimHeaders(const HeaderMap& headers) {
  if (receiver_ == nullptr || headers_submitted_ || closed_) {
    return;
  }
  Http2HeaderBlock block;
  encodeHttp2Headers(headers, {}, block);
  if (nghttp2_submit_headers(session_.session_, NGHTTP2_FLAG_NONE, id_, nullptr, block.data(), block.size(), nullptr) ==
      0) {
    ++session_.headers_queued_;
  }
  session_.scheduleFlush();
}

void Http2Stream::sendData(net::Buffer& data, bool end_stream) {
  if (receiver_ == nullptr || !headers_submitted_ || local_end_ || closed_) {
    data.clear();
    return;
  }
  session_.stats_.pending_send_bytes.add(data.length());
  out_.move(data);
  local_end_ = end_stream;
  resumeSending();
  checkWatermark();
  if (end_stream) {
    endLocally();
  }
}

void Http2Stream::sendTrailers(const HeaderMap& trailers) {
  if (receiver_ == nullptr || !headers_submitted_ || local_end_ || closed_) {
    return;
  }
  Http2HeaderBlock block;
  encodeHttp2Headers(trailers, {}, block);
  if (block.empty()) {
    // Nothing of them may be sent: the message ends by its data.
    net::Buffer none;
    sendData(none, true);
    return;
  }
  trailer_count_ = block.size();
  if (out_.empty()) {
    trailers_ = block.data();
    submitTrailers();
  } else {
    trailers_ =
        static_cast<nghttp2_nv*>(trailer_texts_.allocate(sizeof(nghttp2_nv) * trailer_count_, alignof(nghttp2_nv)));
    for (size_t i = 0; i < trailer_count_; ++i) {
      trailers_[i] = copied(trailer_texts_, block[i]);
    }
    resumeSending();
  }
  endLocally();
}

void Http2Stream::submitTrailers() {
  if (nghttp2_submit_trailer(session_.session_, id_, trailers_, trailer_count_) == 0) {
    ++session_.headers_queued_;
  }
  trailers_ = nullptr;
  session_.scheduleFlush();
}

void Http2Stream::resumeSending() {
  if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(session_.session_, id_);
  }
  session_.scheduleFlush();
}

ssize_t Http2Stream::readOut(size_t length, uint32_t* flags) {
  const uint64_t waiting = out_.length();
  if (waiting == 0 && !local_end_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  // A frame for each slice where slices are large, so that they are moved and not copied.
  constexpr size_t kLargeSlice = 8 * 1024;
  uint64_t taken = std::min<uint64_t>(waiting, length);
  if (const size_t first = out_.front().size(); first >= kLargeSlice && first < taken) {
    taken = first;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (taken == waiting && local_end_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (trailers_ != nullptr) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      submitTrailers();
    }
  }
  return static_cast<ssize_t>(taken);
}

void Http2Stream::onOutMoved(uint64_t bytes) {
  session_.stats_.pending_send_bytes.sub(bytes);
  if (Deadline::pending()) {
    armFlushDeadline();
  }
  checkWatermark();
}

void Http2Stream::checkWatermark() {
  const uint32_t limit = session_.connection_.bufferLimit();
  const uint64_t mark = out_above_ ? limit / 2 : limit;
  out_above_ = limit > 0 && out_.length() > mark;
  tellWatermark();
}

void Http2Stream::tellWatermark() {
  const bool above = out_above_ || session_.connection_above_;
  if (receiver_ == nullptr || above == above_told_) {
    return;
  }
  above_told_ = above;
  if (above) {
    receiver_->onAboveWriteBufferHighWatermark();
  } else {
    receiver_->onBelowWriteBufferLowWatermark();
  }
}

void Http2Stream::endLocally() {
  local_end_ = true;
  checkDone();
}

void Http2Stream::checkDone() {
  if (receiver_ == nullptr || !local_end_ || !remote_end_told_) {
    return;
  }
  receiver_ = nullptr;
  if (closed_) {
    session_.retire(*this);
  } else {
    armFlushDeadline();
  }
}

void Http2Stream::armFlushDeadline() {
  if (!out_.empty() && flush_timeout_.count() > 0) {
    session_.dispatcher_.deadlines().set(*this, flush_timeout_);
  } else {
    Deadline::cancel();
  }
}

void Http2Stream::onDeadline() {
  session_.stats_.tx_flush_timeout.inc();
  cancel();
  finishCancelled(NGHTTP2_CANCEL);
}

void Http2Stream::reset(ResetReason reason) {
  if (receiver_ == nullptr) {
    return;
  }
  receiver_ = nullptr;
  if (reason == ResetReason::LocalNoError && local_end_ && !local_end_sent_ && !closed_) {
    // The answer is whole: it goes first.
    reset_when_flushed_ = true;
    session_.consume(id_, held_.length());
    held_.clear();
    armFlushDeadline();
    return;
  }
  cancel();
  finishCancelled(resetCode(reason));
}

void Http2Stream::cancel() {
  session_.stats_.pending_send_bytes.sub(out_.length());
  out_.clear();
  session_.consume(id_, held_.length());
  held_.clear();
  held_trailers_ = nullptr;
  IntrusiveTask::unlink();
  Deadline::cancel();
}

void Http2Stream::finishCancelled(uint32_t code) {
  if (closed_ || id_ <= 0) {
    session_.retire(*this);
  } else {
    session_.submitReset(*this, code);
  }
}

}  // namespace sluice::http
