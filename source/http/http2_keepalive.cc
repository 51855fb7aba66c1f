#include "source/http/http2_keepalive.h"

#include "source/base/random.h"

namespace sluice::http {

Http2Keepalive::Http2Keepalive(event::Dispatcher& dispatcher, Callbacks& callbacks, const Http2Settings& settings)
    : dispatcher_(dispatcher), callbacks_(callbacks), settings_(settings), last_received_(dispatcher.now()) {
  scheduleNext();
}

void Http2Keepalive::scheduleNext() {
  if (settings_.keepalive_interval.count() == 0) {
    return;
  }
  const std::chrono::microseconds interval = settings_.keepalive_interval;
  const uint64_t jitter = static_cast<uint64_t>(interval.count()) * settings_.keepalive_jitter_percent / 100;
  dispatcher_.deadlines().set(interval_, interval + std::chrono::microseconds(base::threadRandom().below(jitter + 1)));
}

void Http2Keepalive::ping() {
  if (timeout_.pending()) {
    return;
  }
  callbacks_.sendKeepalivePing();
  dispatcher_.deadlines().set(timeout_, settings_.keepalive_timeout);
}

void Http2Keepalive::timeOut() {
  interval_.cancel();
  callbacks_.onKeepaliveTimeout();
}

void Http2Keepalive::onPingAck() {
  if (timeout_.pending()) {
    timeout_.cancel();
    scheduleNext();
  }
}

void Http2Keepalive::onNewStream() {
  if (settings_.keepalive_idle_interval.count() > 0 && settings_.keepalive_timeout.count() > 0 &&
      dispatcher_.now() - last_received_ >= settings_.keepalive_idle_interval) {
    ping();
  }
}

void Http2Keepalive::onBytesReceived() { last_received_ = dispatcher_.now(); }

}  // namespace sluice::http
