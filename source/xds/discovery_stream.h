#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/base/random.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/back_off.h"
#include "source/xds/transport.h"

namespace sluice::xds {

/** ApiConfigSource.rate_limit_settings. */
struct RateLimit {
  uint32_t max_tokens = 100;
  double tokens_per_second = 10;
};

/**
 * The stream to the control plane, made again whenever it breaks, with jittered exponential back-off. It moves bytes and
 * keeps control_plane.*; what they mean is the mux's. Main thread; owned by the mux, whose callbacks do not destroy it.
 *
 *   Stopped --start()--> Open --onClosed()--> Waiting --timer--> Open
 */
class DiscoveryStream : private StreamEvents {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    /** A new stream: nothing was said on it, and what is sent from now on goes out on it. */
    virtual void onStreamOpened() = 0;
    /** The number of the stream tells answers to an earlier one. Each message is paid for with messageConsumed(). */
    virtual void onStreamMessage(::grpc::ByteBuffer message) = 0;
    virtual void onStreamClosed() = 0;
  };

  struct Options {
    std::chrono::milliseconds back_off_base{500};
    std::chrono::milliseconds back_off_max{30000};
    std::optional<RateLimit> rate_limit;
    /** Where its statistics are, below the root. */
    std::string stat_scope = "control_plane";
  };

  /** `name` is what the log calls the other side: the cluster's name. */
  DiscoveryStream(event::Dispatcher& main, stats::Scope& root, base::Random& random,
                  std::unique_ptr<Transport> transport, std::string name, Options options, Owner& owner);
  ~DiscoveryStream() override;

  /** Opens the first stream, unless it did already. */
  void start();
  bool isOpen() const { return stream_ != nullptr; }
  /** The message that this stream carries is the only one for now: counts up with each stream. */
  uint64_t number() const { return number_; }

  void send(std::string message);
  /** A message was dealt with, so another may come; `number` is that of its stream. */
  void messageConsumed(uint64_t number);
  /** The other side is broken: ends this stream and begins a new one after the back-off. */
  void reset(absl::string_view reason);
  /** The other side works: the next back-off is short again. */
  void healthy() { back_off_.reset(); }

  void setIdentifier(const std::string& identifier);

 private:
  void onConnected() override;
  void onMessage(::grpc::ByteBuffer message) override;
  void onClosed(absl::Status status) override;

  void open();
  void closed(absl::string_view reason);
  void sendPending();

  event::Dispatcher& main_;
  base::Random& random_;
  const std::string name_;
  const Options options_;
  Owner& owner_;
  BackOff back_off_;

  stats::ScopePtr scope_;
  stats::Gauge connected_state_;
  stats::Gauge pending_requests_;
  stats::Counter rate_limit_enforced_;
  std::string identifier_;

  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<event::Timer> retry_;
  bool started_ = false;
  uint64_t number_ = 0;

  std::deque<std::string> pending_;
  std::unique_ptr<event::Timer> rate_timer_;
  double tokens_ = 0;
  base::MonotonicTime tokens_at_;
};

}  // namespace sluice::xds
