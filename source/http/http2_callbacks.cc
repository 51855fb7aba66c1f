#include "source/http/http2_callbacks.h"

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

#include "source/base/assert.h"
#include "source/http/http2_session.h"

namespace sluice::http {

/** A failed session takes nothing more in: every inbound callback looks at that first. */
struct Http2Callbacks {
  static Http2Session& session(void* user) { return *static_cast<Http2Session*>(user); }
  static Http2Stream* find(nghttp2_session* library, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(library, id));
  }

  static int onBeginFrame(nghttp2_session* library, const nghttp2_frame_hd* head, void* user) {
    Http2Session& self = session(user);
    if (self.failed()) {
      return 0;
    }
    if (self.in_data_stream_ != nullptr) {
      // The frame before has ended its message too soon: the library resets the stream and tells of no end of the frame.
      self.in_data_stream_->takeData(false);
    }
    // How much of a padded frame is padding is known at its end.
    if (head->type != NGHTTP2_DATA || (head->flags & NGHTTP2_FLAG_PADDED) == 0) {
      countFrame(self, head->type, head->flags, head->length);
    }
    if (head->type == NGHTTP2_CONTINUATION) {
      self.header_frame_bytes_ += kFrameHead + static_cast<uint32_t>(head->length);
    } else if (head->type == NGHTTP2_HEADERS) {
      self.header_frame_bytes_ = kFrameHead + static_cast<uint32_t>(head->length);
    }
    if (head->type == NGHTTP2_HEADERS && head->stream_id > 0 && find(library, head->stream_id) == nullptr) {
      self.checkClosed(static_cast<uint32_t>(head->stream_id));
    }
    return 0;
  }

  static void countFrame(Http2Session& self, uint8_t type, uint8_t flags, size_t length) {
    if (const char* flood = self.guard_.onInboundFrame(type, flags, length); flood != nullptr) {
      self.fail(CodecError::InboundFlood, flood, NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  static int onBeginHeaders(nghttp2_session* library, const nghttp2_frame* frame, void* user) {
    Http2Session& self = session(user);
    if (self.failed() || frame->hd.type != NGHTTP2_HEADERS) {
      return 0;
    }
    Http2Stream* stream = find(library, frame->hd.stream_id);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && self.server_ != nullptr) {
      stream = &self.newStream(nullptr);
      stream->id_ = frame->hd.stream_id;
      self.closed_.onOpened(static_cast<uint32_t>(frame->hd.stream_id));
      nghttp2_session_set_stream_user_data(library, frame->hd.stream_id, stream);
      stream->receiver_ = &self.server_->onNewStream(*stream);
      stream->tellWatermark();
    }
    if (stream == nullptr) {
      self.stats_.headers_cb_no_stream.inc();
      return 0;
    }
    if (stream->receiver_ != nullptr) {
      stream->newHeaders();
    }
    self.cookies_.clear();
    return 0;
  }

  static int onHeader(nghttp2_session* library, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t flags, void* user) {
    Http2Session& self = session(user);
    Http2Stream* stream = find(library, frame->hd.stream_id);
    if (self.failed() || stream == nullptr || stream->receiver_ == nullptr || stream->in_headers_ == nullptr) {
      return 0;
    }
    const absl::string_view key(reinterpret_cast<const char*>(name), name_size);
    // The library is told to let white space around values pass, as Envoy does; nobody behind us is to see it.
    const absl::string_view text =
        absl::StripAsciiWhitespace(absl::string_view(reinterpret_cast<const char*>(value), value_size));
    return stream->onHeader(headerId(key), key, text, (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
  }

  static int onFrameRecv(nghttp2_session* library, const nghttp2_frame* frame, void* user) {
    Http2Session& self = session(user);
    if (self.failed()) {
      return 0;
    }
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS: {
        Http2Stream* stream = find(library, frame->hd.stream_id);
        if (stream == nullptr) {
          return 0;
        }
        stream->wire_received_ += self.header_frame_bytes_;
        stream->header_wire_received_ += self.header_frame_bytes_;
        stream->remote_end_ = stream->remote_end_ || end;
        // RFC 9110, section 15.2: an interim response precedes the final one.
        const absl::string_view status = stream->in_headers_ == nullptr || stream->headers_received_
                                             ? absl::string_view()
                                             : stream->in_headers_->get(HeaderId::Status);
        stream->onHeadersEnd(end, self.server_ == nullptr && status.size() == 3 && status[0] == '1');
        return 0;
      }
      case NGHTTP2_DATA: {
        if ((frame->hd.flags & NGHTTP2_FLAG_PADDED) != 0) {
          countFrame(self, NGHTTP2_DATA, frame->hd.flags, frame->hd.length - frame->data.padlen);
        }
        Http2Stream* stream = find(library, frame->hd.stream_id);
        if (stream != nullptr) {
          stream->wire_received_ += kFrameHead + frame->hd.length;
          stream->remote_end_ = stream->remote_end_ || end;
          stream->takeData(end);
        }
        return 0;
      }
      case NGHTTP2_RST_STREAM:
        self.stats_.rx_reset.inc();
        if (Http2Stream* stream = find(library, frame->hd.stream_id); stream != nullptr) {
          stream->reset_by_peer_ = true;
        }
        return 0;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
          self.onRemoteSettings();
        }
        return 0;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
          self.keepalive_.onPingAck();
          return 0;
        }
        self.answerPing(frame->ping.opaque_data);
        return 0;
      case NGHTTP2_GOAWAY:
        self.onGoAwayReceived(frame->goaway.error_code);
        return 0;
      default:
        return 0;
    }
  }

  static int onInvalidFrame(nghttp2_session* library, const nghttp2_frame* frame, int error, void* user) {
    Http2Session& self = session(user);
    if (self.failed()) {
      return 0;
    }
    if (error == NGHTTP2_ERR_REFUSED_STREAM) {
      self.stats_.stream_refused_errors.inc();
      return 0;
    }
    const bool messaging = error == NGHTTP2_ERR_HTTP_HEADER || error == NGHTTP2_ERR_HTTP_MESSAGING;
    if (!messaging) {
      return 0;
    }
    const char* details =
        error == NGHTTP2_ERR_HTTP_HEADER ? "http2.invalid.header.field" : "http2.violation.of.messaging.rule";
    self.stats_.rx_messaging_error.inc();
    if (Http2Stream* stream = find(library, frame->hd.stream_id); stream != nullptr) {
      stream->details_ = details;
    }
    if (!self.settings_.stream_error_on_invalid_http_message) {
      self.fail(CodecError::Protocol, details, NGHTTP2_PROTOCOL_ERROR);
    }
    return 0;
  }

  static int onDataChunk(nghttp2_session* library, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
    Http2Session& self = session(user);
    Http2Stream* stream = find(library, id);
    if (self.failed() || stream == nullptr || stream->receiver_ == nullptr) {
      self.consume(id, size);
      return 0;
    }
    SLUICE_CHECK(self.in_data_stream_ == nullptr || self.in_data_stream_ == stream,
                 "two streams' bytes would be mixed");
    self.in_data_.append({reinterpret_cast<const char*>(data), size});
    self.in_data_stream_ = stream;
    return 0;
  }

  static int onStreamClose(nghttp2_session* library, int32_t id, uint32_t code, void* user) {
    Http2Session& self = session(user);
    Http2Stream* stream = find(library, id);
    if (stream == nullptr) {
      return 0;
    }
    nghttp2_session_set_stream_user_data(library, id, nullptr);
    if (stream->reset_by_peer_ || stream->remote_end_) {
      self.closed_.onEndedByPeer(static_cast<uint32_t>(id));
    }
    if (self.server_ != nullptr) {
      const bool premature =
          stream->reset_by_peer_ && !stream->local_end_ &&
          self.dispatcher_.now() - stream->started_ < self.settings_.premature_reset_min_stream_lifetime;
      if (const char* flood = self.guard_.onStreamClosed(premature); flood != nullptr && !self.failed()) {
        self.fail(CodecError::InboundFlood, flood, NGHTTP2_ENHANCE_YOUR_CALM);
      }
    }
    stream->onSessionClosed(code);
    return 0;
  }

  static int onFrameSend(nghttp2_session* library, const nghttp2_frame* frame, void* user) {
    Http2Session& self = session(user);
    self.guard_.onFrameSent(frame->hd.type);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        const bool headers = frame->hd.type == NGHTTP2_HEADERS;
        self.headers_queued_ -= headers && self.headers_queued_ > 0 ? 1 : 0;
        Http2Stream* stream = find(library, frame->hd.stream_id);
        if (stream == nullptr) {
          return 0;
        }
        const size_t bytes = kFrameHead + frame->hd.length;
        stream->wire_sent_ += bytes;
        if (headers) {
          stream->header_wire_sent_ += bytes;
          stream->headers_sent_ = true;
          stream->id_ = frame->hd.stream_id;
        }
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
          stream->local_end_sent_ = true;
          if (stream->reset_when_flushed_) {
            self.submitReset(*stream, NGHTTP2_NO_ERROR);
          }
        }
        return 0;
      }
      case NGHTTP2_GOAWAY:
        self.stats_.goaway_sent.inc();
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && self.status_.ok()) {
          // The library found the error, and has ended the connection for it.
          self.status_ = {CodecError::Protocol, nghttp2_http2_strerror(frame->goaway.error_code)};
        }
        return 0;
      case NGHTTP2_RST_STREAM:
        self.stats_.tx_reset.inc();
        return 0;
      default:
        return 0;
    }
  }

  static int onFrameNotSend(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    Http2Session& self = session(user);
    if (frame->hd.type == NGHTTP2_HEADERS && self.headers_queued_ > 0) {
      --self.headers_queued_;
    }
    return 0;
  }

  static ssize_t readOut(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                         nghttp2_data_source* source, void*) {
    return static_cast<Http2Stream*>(source->ptr)->readOut(length, flags);
  }

  static int sendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t length,
                      nghttp2_data_source* source, void* user) {
    Http2Session& self = session(user);
    // Bounded, so that the connection's watermark is heard between one part and the next.
    constexpr uint64_t kPart = 256 * 1024;
    if (self.out_.length() > kPart) {
      return NGHTTP2_ERR_WOULDBLOCK;
    }
    SLUICE_CHECK(frame->data.padlen == 0, "padding was not asked for");
    auto* stream = static_cast<Http2Stream*>(source->ptr);
    self.out_.append({reinterpret_cast<const char*>(head), kFrameHead});
    self.out_.move(stream->out_, length);
    stream->onOutMoved(length);
    return 0;
  }

  static constexpr uint32_t kFrameHead = 9;
};

nghttp2_data_provider http2DataProvider() {
  nghttp2_data_provider provider;
  provider.source.ptr = nullptr;
  provider.read_callback = Http2Callbacks::readOut;
  return provider;
}

const nghttp2_session_callbacks* http2Callbacks() {
  static const nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    SLUICE_CHECK(nghttp2_session_callbacks_new(&made) == 0, "out of memory");
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Http2Callbacks::onBeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Http2Callbacks::onBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(made, Http2Callbacks::onHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Http2Callbacks::onFrameRecv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, Http2Callbacks::onInvalidFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Http2Callbacks::onDataChunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Http2Callbacks::onStreamClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Http2Callbacks::onFrameSend);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, Http2Callbacks::onFrameNotSend);
    nghttp2_session_callbacks_set_send_data_callback(made, Http2Callbacks::sendData);
    return made;
  }();
  return callbacks;
}

}  // namespace sluice::http
