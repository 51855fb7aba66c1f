#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "source/event/dispatcher.h"
#include "source/net/address.h"
#include "source/net/buffer.h"
#include "source/net/filter.h"
#include "source/net/socket.h"
#include "source/net/stream_info.h"
#include "source/net/transport_socket.h"
#include "source/stats/stats.h"

namespace sluice::net {

/** Told of a connection's life. A callback may close the connection and remove callbacks; it may not delete it. */
class ConnectionCallbacks {
 public:
  virtual ~ConnectionCallbacks() = default;
  virtual void onEvent(ConnectionEvent event) = 0;
  /** Our write buffer passed its high mark: stop what feeds it. */
  virtual void onAboveWriteBufferHighWatermark() {}
  /** It fell to the low mark: go on. */
  virtual void onBelowWriteBufferLowWatermark() {}
};

enum class CloseType : uint8_t {
  /** Write what is buffered, then close. */
  FlushWrite,
  /** As FlushWrite, then shut down and wait (delayed close timeout) for the peer's end, so that no RST destroys it. */
  FlushWriteAndDelay,
  /** At once; what is buffered is lost. */
  NoFlush,
  /** At once and with an RST. */
  AbortReset,
};

/** Cells that a connection counts into, on top of its StreamInfo; all optional (default-made cells count nowhere). */
struct ConnectionStats {
  stats::Counter read_total;
  stats::Gauge read_buffered;
  stats::Counter write_total;
  stats::Gauge write_buffered;
  stats::Counter bind_errors;
  stats::Counter delayed_close_timeouts;
};

/**
 * A TCP or Unix stream connection on one dispatcher: descriptor, transport socket, filter chain, buffers with
 * watermarks. Used on its thread only. Its owner destroys it through Dispatcher::deferredDelete() after Remote- or
 * LocalClose was raised; no callback may delete it directly.
 *
 *            connect()               onTransportConnected
 *   (client) ---------> Connecting ----------------------> Open --close(Flush*)--> Closing --flushed--> Closed
 *   (server) ------------------------------------------->  Open --close(NoFlush), error, both ends-----> Closed
 */
class Connection final : public event::DeferredDeletable, private TransportSocketCallbacks, private ReadFilterCallbacks {
 public:
  enum class State : uint8_t { Connecting, Open, Closing, Closed };

  /** Over an accepted socket. Reading starts with initializeReadFilters(). */
  static std::unique_ptr<Connection> server(event::Dispatcher& dispatcher, Socket socket,
                                            std::unique_ptr<TransportSocket> transport, StreamInfo stream_info);
  /** Not yet connected: see connect(). */
  static std::unique_ptr<Connection> client(event::Dispatcher& dispatcher, const Address& remote,
                                            std::unique_ptr<TransportSocket> transport, const ClientSocketOptions& options);
  ~Connection() override;

  /** Process-wide, from 1 on. */
  uint64_t id() const;
  State state() const;
  event::Dispatcher& dispatcher();
  StreamInfo& streamInfo();
  TransportSocket& transport();
  Socket& socket();

  /** Begins to connect; the outcome, failures at once included, comes as an event from a later turn. */
  void connect();

  void addCallbacks(ConnectionCallbacks& callbacks);
  void removeCallbacks(ConnectionCallbacks& callbacks);

  /** Chains run in order of adding (read) and in reverse order (write). */
  void addReadFilter(std::unique_ptr<ReadFilter> filter);
  void addWriteFilter(std::unique_ptr<WriteFilter> filter);
  /** Calls onNewConnection() down the chain and starts reading. False when there is no read filter. */
  bool initializeReadFilters();

  /** Passes through the write filters and is flushed once, when the outermost callback unwinds. Empties `data`. */
  void write(Buffer& data, bool end_stream);
  void close(CloseType type, const char* details = nullptr);

  /** With it the peer's end is given to the filters as end_stream and the other direction stays open; else it closes. */
  void enableHalfClose(bool enabled);
  /** Counted: reading goes on after as many enables as disables. Enabling anew always tries one read. */
  void readDisable(bool disable);
  bool readEnabled() const;
  /** High watermark of both buffers; low is half of it; 0 is no limit. */
  void setBufferLimit(uint32_t bytes);
  bool aboveHighWatermark() const;
  void setDelayedCloseTimeout(std::chrono::milliseconds timeout);
  void setStats(const ConnectionStats& stats);
  /** When the last byte came or went; idle timers look at it when they fire instead of being pushed back on each byte. */
  base::MonotonicTime lastActivity() const;
};

}  // namespace sluice::net
