#pragma once

#include <cstddef>
#include <cstdint>

#include <nghttp2/nghttp2.h>

#include "source/base/arena.h"
#include "source/event/deadline.h"
#include "source/event/task_list.h"
#include "source/http/codec.h"

namespace sluice::http {

class Http2Session;

/**
 * One HTTP/2 stream: what its user sends through, and where what the peer sends waits while reading is disabled. Owned by
 * its session, from the thread's pool. It outlives its user's part where bytes are still to be sent.
 *
 *           both messages ended for the user           END_STREAM and what goes before it are sent
 *   Active ----------------------------------> Flushing ------------------------------------------> retired
 *      \------------------ reset by either side, or the session --------------------------------/
 */
class Http2Stream final : public StreamSender, private event::IntrusiveTask, private event::Deadline {
 public:
  Http2Stream(Http2Session& session, StreamReceiver* receiver) : session_(session), receiver_(receiver) {}
  ~Http2Stream() override;

  static void* operator new(size_t size);
  static void operator delete(void* memory);

  // StreamSender
  void sendHeaders(const HeaderMap& headers, bool end_stream) override;
  void sendInterimHeaders(const HeaderMap& headers) override;
  void sendData(net::Buffer& data, bool end_stream) override;
  void sendTrailers(const HeaderMap& trailers) override;
  void reset(ResetReason reason) override;
  void readDisable(bool disable) override;
  void setFlushTimeout(std::chrono::milliseconds timeout) override { flush_timeout_ = timeout; }
  uint64_t bufferedBytes() const override { return out_.length(); }
  uint64_t wireBytesSent() const override { return wire_sent_; }
  uint64_t wireBytesReceived() const override { return wire_received_; }
  uint64_t headerWireBytesSent() const override { return header_wire_sent_; }
  uint64_t headerWireBytesReceived() const override { return header_wire_received_; }
  uint32_t streamId() const override { return static_cast<uint32_t>(id_); }

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  // event::IntrusiveTask: what waited goes to the receiver. event::Deadline: the peer takes no more of what is flushed.
  void run() override;
  void onDeadline() override;

  // Inbound.
  HeaderMap& newHeaders();
  int onHeader(HeaderId id, absl::string_view name, absl::string_view value, bool sensitive);
  void addCookies();
  void onHeadersEnd(bool end_stream, bool interim);
  void onRequestHeaders(bool end_stream);
  void refuse();
  void tellHeaders(bool end_stream);
  void takeData(bool end_stream);
  void deliverHeld();
  void deliverTrailers();
  void raiseReset(ResetReason reason, absl::string_view details);
  void onSessionClosed(uint32_t code);

  // Outbound.
  ssize_t readOut(size_t length, uint32_t* flags);
  void submitRequest(const HeaderMap& headers, bool end_stream);
  void submitResponse(const HeaderMap& headers, bool end_stream);
  /** Frees what waits, either way. */
  void cancel();
  void finishCancelled(uint32_t code);
  void resumeSending();
  void submitTrailers();
  /** So many bytes have left out_. */
  void onOutMoved(uint64_t bytes);
  void armFlushDeadline();
  void checkWatermark();
  void tellWatermark();
  void endLocally();
  void checkDone();

  Http2Session& session_;
  /** Null once it has heard its last. */
  StreamReceiver* receiver_;
  Http2Stream* next_ = nullptr;
  Http2Stream* previous_ = nullptr;
  HeaderMap* in_headers_ = nullptr;
  HeaderMap* held_trailers_ = nullptr;
  nghttp2_nv* trailers_ = nullptr;
  size_t trailer_count_ = 0;
  base::Arena trailer_texts_;
  net::Buffer out_;
  net::Buffer held_;
  /** Of a client's upgrade request: what `Upgrade` named; in the receiver's arena. */
  absl::string_view upgrade_;
  const char* details_ = nullptr;
  base::MonotonicTime started_;
  std::chrono::milliseconds flush_timeout_{std::chrono::minutes(5)};
  uint64_t wire_sent_ = 0;
  uint64_t wire_received_ = 0;
  uint64_t header_wire_sent_ = 0;
  uint64_t header_wire_received_ = 0;
  uint64_t header_bytes_ = 0;
  uint32_t header_count_ = 0;
  int32_t id_ = 0;
  uint16_t read_disabled_ = 0;
  bool headers_submitted_ : 1 = false;
  bool headers_sent_ : 1 = false;
  /** The final headers of the peer's message are known; what follows are trailers. */
  bool headers_received_ : 1 = false;
  bool local_end_ : 1 = false;
  bool local_end_sent_ : 1 = false;
  bool remote_end_ : 1 = false;
  bool remote_end_told_ : 1 = false;
  bool reset_by_peer_ : 1 = false;
  bool reset_sent_ : 1 = false;
  bool reset_when_flushed_ : 1 = false;
  /** nghttp2 waits for us to resume. */
  bool deferred_ : 1 = false;
  /** nghttp2 knows the stream no more. */
  bool closed_ : 1 = false;
  bool retired_ : 1 = false;
  /** Closed, and kept until the receiver has read what came. */
  bool kept_ : 1 = false;
  bool out_above_ : 1 = false;
  bool above_told_ : 1 = false;
  bool overflow_ : 1 = false;
  bool too_many_headers_ : 1 = false;
};

}  // namespace sluice::http
