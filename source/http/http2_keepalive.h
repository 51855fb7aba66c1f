#pragma once

#include <chrono>

#include <nghttp2/nghttp2.h>

#include "source/event/dispatcher.h"
#include "source/http/http2_codec.h"

namespace sluice::http {

/**
 * Probes a connection with PINGs (`connection_keepalive`): one after each interval, and one when a stream begins on a
 * connection that was long idle. Part of its session; asks it for a PING, and tells it when no answer came in time.
 */
class Http2Keepalive final {
 public:
  class Callbacks {
   public:
    virtual ~Callbacks() = default;
    virtual void sendKeepalivePing() = 0;
    virtual void onKeepaliveTimeout() = 0;
  };

  Http2Keepalive(event::Dispatcher& dispatcher, Callbacks& callbacks, const Http2Settings& settings);

  /** The answer to any PING of ours. */
  void onPingAck();
  void onNewStream();
  void onBytesReceived();

 private:
  struct Due final : event::Deadline {
    Due(Http2Keepalive& keepalive, void (Http2Keepalive::*call)()) : keepalive(keepalive), call(call) {}
    void onDeadline() override { (keepalive.*call)(); }
    Http2Keepalive& keepalive;
    void (Http2Keepalive::*const call)();
  };

  void scheduleNext();
  void ping();
  void timeOut();

  event::Dispatcher& dispatcher_;
  Callbacks& callbacks_;
  const Http2Settings& settings_;
  Due interval_{*this, &Http2Keepalive::ping};
  Due timeout_{*this, &Http2Keepalive::timeOut};
  base::MonotonicTime last_received_;
};

}  // namespace sluice::http
