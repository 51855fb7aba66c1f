#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/config/canonical_key.h"
#include "source/event/dispatcher.h"
#include "source/net/buffer.h"
#include "source/net/stream_info.h"

namespace sluice::net {

class Connection;
class Socket;

enum class FilterStatus : uint8_t {
  Continue,
  /** Later filters see nothing until the filter calls continueReading() (or continueFilterChain()). */
  StopIteration,
};

/** What a read filter may ask of its chain. */
class ReadFilterCallbacks {
 public:
  virtual ~ReadFilterCallbacks() = default;
  virtual Connection& connection() = 0;
  /** Goes on with the next filter: onNewConnection() first if it has not had it, then the bytes that wait. */
  virtual void continueReading() = 0;
  /**
   * Has the upstream connection of the chain's last filter begin TLS: see Connection::startSecureTransport(), which it
   * is for the downstream one. False, and nothing has changed, where there is no such connection or it cannot.
   */
  virtual bool startUpstreamSecureTransport() = 0;
};

/**
 * A network filter of one connection, which owns it, on its thread. Any callback may close the connection; the filter
 * is destroyed with it, by deferred deletion, never inside its own callback.
 */
class ReadFilter {
 public:
  virtual ~ReadFilter() = default;
  virtual void initialize(ReadFilterCallbacks& callbacks) = 0;
  virtual FilterStatus onNewConnection() = 0;
  /** Bytes not taken out of `data` are offered to the next filter. `end_stream`: the peer's end comes after them. */
  virtual FilterStatus onData(Buffer& data, bool end_stream) = 0;
  /** Another filter of the chain asks, through its callbacks; a filter without an upstream connection says false. */
  virtual bool startUpstreamSecureTransport() { return false; }
};

/** The same for bytes on their way out, in reverse order of the chain. */
class WriteFilter {
 public:
  virtual ~WriteFilter() = default;
  virtual void initialize(Connection& connection) = 0;
  virtual FilterStatus onWrite(Buffer& data, bool end_stream) = 0;
};

class NetworkFilterConfig;

/**
 * A worker's view of one filter's configuration: the newest version whose structural part equals the one that the
 * connection was made with. The listener's update replaces it under live connections, so that access logs, timeouts and
 * statistics' prefixes reach them. Owned by the worker's filter chain; one thread.
 */
class LiveFilterConfig {
 public:
  explicit LiveFilterConfig(std::shared_ptr<const NetworkFilterConfig> config) : config_(std::move(config)) {}
  template <class Config>
  const Config& as() const {
    return static_cast<const Config&>(*config_);
  }
  const std::shared_ptr<const NetworkFilterConfig>& shared() const { return config_; }

  void replace(std::shared_ptr<const NetworkFilterConfig> config) {
    // The old version, and with it its statistics, goes only after the last observer let go of it.
    const std::shared_ptr<const NetworkFilterConfig> old = std::exchange(config_, std::move(config));
    event::TaskList due;
    due.splice(observers_);
    while (!due.empty()) {
      due.runFirst();
    }
  }
  /** Its chain is on its way out (or is no longer): connections that can be asked to go are asked from then on. */
  void setDraining(std::optional<base::MonotonicTime> since) { draining_since_ = since; }
  const std::optional<base::MonotonicTime>& drainingSince() const { return draining_since_; }
  /** Runs the task once, at the next replace(): for what was derived from the old version, such as a running timer. */
  void atReplace(event::IntrusiveTask& task) { observers_.add(task); }

 private:
  std::shared_ptr<const NetworkFilterConfig> config_;
  event::TaskList observers_;
  std::optional<base::MonotonicTime> draining_since_;
};

/**
 * One network filter's configuration, built on main (filters/), immutable, shared by all workers; its last reference is
 * dropped on main (event::ownedBy).
 */
class NetworkFilterConfig {
 public:
  virtual ~NetworkFilterConfig() = default;
  /** Of what its connections are structurally made of; what may change under them is left out of it. */
  virtual const config::ContentKey& structuralKey() const = 0;
  /** Adds this filter to a new connection; `live` outlives the connection. Worker thread. */
  virtual void addTo(Connection& connection, LiveFilterConfig& live) const = 0;
  /** No filter may come after it (tcp_proxy, echo, direct_response): Envoy refuses a chain that says otherwise. */
  virtual bool isTerminal() const = 0;
};

/** What a listener filter may ask of the accepted socket that it looks at. */
class ListenerFilterCallbacks {
 public:
  virtual ~ListenerFilterCallbacks() = default;
  virtual int fd() const = 0;
  virtual event::Dispatcher& dispatcher() = 0;
  /** Addresses and names that the filter restores are written here. */
  virtual StreamInfo& streamInfo() = 0;
  /** After StopIteration: goes on with the next filter, or with `success` false closes the socket. */
  virtual void continueFilterChain(bool success) = 0;
};

/** A listener filter of one accepted socket, on the worker's thread; owned by the socket's stay in the listener filters. */
class ListenerFilter {
 public:
  virtual ~ListenerFilter() = default;
  virtual FilterStatus onAccept(ListenerFilterCallbacks& callbacks) = 0;
  /** How many bytes the filter wants to peek at, at most; 0 when it reads none. */
  virtual size_t maxReadBytes() const = 0;
  /**
   * `peeked` is what the socket holds, up to maxReadBytes(), without taking it. Called again as more arrives until
   * Continue. `consumed` is set to how many bytes the filter takes out of the stream (0 unless it strips a header).
   */
  virtual FilterStatus onData(absl::string_view peeked, bool end_stream, size_t& consumed) = 0;
};

/** As NetworkFilterConfig, of a listener filter. */
class ListenerFilterConfig {
 public:
  virtual ~ListenerFilterConfig() = default;
  virtual const config::ContentKey& structuralKey() const = 0;
  virtual std::unique_ptr<ListenerFilter> create() const = 0;
};

}  // namespace sluice::net
