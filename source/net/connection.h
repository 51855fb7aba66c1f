#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

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

class Connection;
struct SplicePipe;

/**
 * A TCP or Unix stream connection on one dispatcher: descriptor, transport socket, filter chain, buffers with
 * watermarks. Used on its thread only. Its owner destroys it through Dispatcher::deferredDelete() after Remote- or
 * LocalClose was raised; no callback may delete it directly. One destroyed while open closes without an event.
 *
 *            connect()               onTransportConnected
 *   (client) ---------> Connecting ----------------------> Open --close(Flush*)--> Closing --flushed--> Closed
 *   (server) ------------------------------------------->  Open --close(NoFlush), error, both ends-----> Closed
 *
 * One watch for both directions is registered once for its whole life, edge-triggered; docs/flow_control.md tells how
 * reading pauses and goes on.
 */
class Connection final : public event::DeferredDeletable, private TransportSocketCallbacks, private event::ReadyTask {
 public:
  enum class State : uint8_t { Connecting, Open, Closing, Closed };

  /** Over an accepted socket. Reading starts with initializeReadFilters(). */
  static std::unique_ptr<Connection> server(event::Dispatcher& dispatcher, Socket socket,
                                            std::unique_ptr<TransportSocket> transport, StreamInfo stream_info);
  /** Not yet connected: see connect(). */
  static std::unique_ptr<Connection> client(event::Dispatcher& dispatcher, const Address& remote,
                                            std::unique_ptr<TransportSocket> transport,
                                            const ClientSocketOptions& options);
  ~Connection() override;

  /** Process-wide, from 1 on. */
  uint64_t id() const { return id_; }
  State state() const { return state_; }
  event::Dispatcher& dispatcher() { return dispatcher_; }
  /** A client connection has one from the first call on: most never need it. */
  StreamInfo& streamInfo();
  TransportSocket& transport() { return *transport_; }
  Socket& socket() { return socket_; }
  /** Why connecting or the transport failed, in Envoy's words ("delayed connect error: Connection refused"); or "". */
  absl::string_view failureReason() const;

  /** Begins to connect; the outcome, failures at once included, comes as an event from a later turn. */
  void connect();

  /** Callbacks run in order of adding; one that is added while they run is first called for the next event. */
  void addCallbacks(ConnectionCallbacks& callbacks);
  void removeCallbacks(ConnectionCallbacks& callbacks);

  /** Chains run in order of adding (read) and in reverse order (write). */
  void addReadFilter(std::unique_ptr<ReadFilter> filter);
  void addWriteFilter(std::unique_ptr<WriteFilter> filter);
  /** Calls onNewConnection() down the chain and starts reading. False when there is no read filter. */
  bool initializeReadFilters();

  /**
   * Passes through the write filters and is flushed once, when the outermost callback unwinds. Empties `data`. Nothing
   * is written after an end, nor after close().
   */
  void write(Buffer& data, bool end_stream);
  /** For a write filter that stopped and took the bytes out: hands `data` to the filters after it. */
  void continueWriting(WriteFilter& filter, Buffer& data, bool end_stream);
  /**
   * `details` is a static text (StreamInfo::local_close_reason). Closing at once raises LocalClose inside this call;
   * closing twice does no harm, and a later call may only be more abrupt.
   */
  void close(CloseType type, const char* details = nullptr);
  /** Has the close that comes, whichever it is, end with an RST instead of an end: what was sent is not all there is. */
  void resetOnClose();
  /** It was ended by an error, as a rule the peer's reset, and not by the peer's end. */
  bool endedByError() const { return ended_by_error_; }

  /**
   * Begins TLS on a connection that its transport socket (envoy.transport_sockets.starttls) has begun in the clear: what
   * was written so far goes out as it is, all that comes after it in either direction is ciphered, and Connected is
   * raised once more after the handshake. What was read before stays as it was: a filter that gets more than the command
   * to switch has been sent bytes by somebody who may not be the peer. False, and nothing has changed, where the transport
   * has no such thing or the connection is not open.
   */
  bool startSecureTransport();

  /** With it the peer's end is given to the filters as end_stream and the other direction stays open; else it closes. */
  void enableHalfClose(bool enabled) { half_close_ = enabled; }
  /** Counted: reading goes on after as many enables as disables. Enabling anew always tries one read, next turn. */
  void readDisable(bool disable);
  bool readEnabled() const { return read_disable_count_ == 0; }
  /** High watermark of both buffers; low is half of it; 0 is no limit. */
  void setBufferLimit(uint32_t bytes);
  uint32_t bufferLimit() const { return buffer_limit_; }
  bool aboveHighWatermark() const { return above_high_; }
  /** How long a flushing close may go without progress, and FlushWriteAndDelay waits for the peer's end; 0: no delay. */
  void setDelayedCloseTimeout(std::chrono::milliseconds timeout);
  /** May be called again: what is buffered moves from the old gauges to the new ones. */
  void setStats(const ConnectionStats& stats);
  /** When the last byte came or went; idle timers look at it when they fire instead of being pushed back on each byte. */
  base::MonotonicTime lastActivity() const { return last_activity_; }

  /** Bytes off and onto the wire so far. */
  uint64_t bytesReceived() const { return bytes_received_; }
  uint64_t bytesSent() const { return bytes_sent_; }

  /**
   * Says that this connection's only read filter does nothing with bytes but write them to `peer`. Once this direction
   * streams, its bytes may then go to `peer` inside the kernel, without onData(). All else stays as it was: the end
   * comes as onData() with an empty buffer and is written after the bytes before it; pauses come through `peer`'s
   * watermark callbacks; byte counts, statistics and lastActivity() of both go on. Bytes go through buffers as before
   * wherever splicing is not possible (a transport that ciphers, a second read filter, a write filter of `peer`, bytes
   * still in a buffer, no pipe to be had). Forgotten when either side closes. Each direction is asked for by itself.
   */
  void spliceTo(Connection& peer);

 private:
  struct ReadEntry;
  struct WriteEntry;
  struct Rare;
  enum class PipeState : uint8_t { Empty, Blocked, Failed };

  Connection(event::Dispatcher& dispatcher, Socket socket, std::unique_ptr<TransportSocket> transport, State state);

  // TransportSocketCallbacks
  int fd() const override { return socket_.fd(); }
  base::MonotonicTime turn() const override { return dispatcher_.now(); }
  void onTransportConnected() override;
  void scheduleWrite() override;
  void scheduleRead() override;
  void setHandshaking(bool handshaking) override;
  void setHoldsUnsent(bool holds) override;

  // event::ReadyTask
  void onReady(uint32_t bits) override;
  void run() override;

  // Life: connection.cc.
  Rare& rare();
  bool ensureWatched();
  void scheduleFlush();
  void lookLater();
  void schedule();
  void failNextTurn(ConnectionEvent event, std::string reason);
  void finishConnect(uint32_t bits);
  WriteEntry* writeFilters() const;
  void closeWhenFlushed(CloseType type);
  void restartDelayedCloseTimer();
  void onDelayedCloseTimeout();
  void closeSocket(ConnectionEvent event);
  template <class Call>
  void forEachCallback(Call&& call);

  // Bytes: connection_io.cc.
  bool mayRead() const;
  void onReadable(uint32_t bits);
  void checkPausedPeer(uint32_t bits);
  void readNow();
  void discardUntilEnd();
  void afterRead(const IoResult& result);
  void deliver(ReadEntry* first);
  void continueReading(ReadEntry& entry);
  bool startUpstreamSecureTransport();
  uint64_t readBudget();
  void noteReceived(uint64_t bytes);
  void noteSent(uint64_t bytes);
  void appendToWriteBuffer(Buffer& data, bool end_stream);
  void passToWriteFilters(WriteEntry* first, Buffer& data, bool end_stream);
  bool hasUnsentBytes() const { return pipe_ != nullptr || !write_buffer_.empty() || transport_holds_; }
  void flush();
  void writeNow();
  void onWriteFailed();
  /** While open: an error found by reading closes at once. */
  bool writeFailed() const { return ended_by_error_ && state_ == State::Open; }
  void waitWithTail();
  void checkWatermarks();
  void updateBufferedStats();

  // Bytes inside the kernel: connection_splice.cc.
  bool canSpliceTo(const Connection& to) const;
  bool spliceNow();
  PipeState writePipe();
  void releasePipe();
  void unlinkSplice();

  event::Dispatcher& dispatcher_;
  std::unique_ptr<TransportSocket> transport_;
  std::unique_ptr<event::ConnectionWatch> watch_;
  std::unique_ptr<StreamInfo> info_;
  std::unique_ptr<Rare> rare_;
  std::unique_ptr<ReadEntry> read_filters_;
  absl::InlinedVector<ConnectionCallbacks*, 2> callbacks_;
  Buffer read_buffer_;
  Buffer write_buffer_;
  /** Bytes on their way to our peer, before those of write_buffer_; null when there are none. */
  SplicePipe* pipe_ = nullptr;
  /** The other connection of spliceTo(), ours to it or its to us. */
  Connection* splice_peer_ = nullptr;
  base::MonotonicTime last_activity_;
  const uint64_t id_;
  uint64_t bytes_received_ = 0;
  uint64_t bytes_sent_ = 0;
  ConnectionStats stats_;
  uint32_t buffer_limit_ = 0;
  /** KiB that came in large reads one after the other: beyond some, this direction counts as a stream. */
  uint16_t streamed_kib_ = 0;
  uint16_t read_disable_count_ = 0;
  Socket socket_;
  State state_;
  CloseType close_type_ = CloseType::FlushWrite;
  uint8_t callback_depth_ = 0;
  /** What our task waits for: to write at the unwinding, else to read next turn, else to look once more later. */
  bool flush_wanted_ : 1 = false;
  bool read_wanted_ : 1 = false;
  bool look_wanted_ : 1 = false;
  bool lost_place_ : 1 = false;
  bool half_close_ : 1 = false;
  /** Bytes from us may go to splice_peer_ in the kernel. */
  bool splices_ : 1 = false;
  /** Rare holds what stats_ were told is in the buffers. */
  bool buffered_told_ : 1 = false;
  bool filters_started_ : 1 = false;
  /** An event has come, so what is reported next is news. */
  bool event_seen_ : 1 = false;
  /** The event said that the peer's end, or a failure, is on its way: read until it is met. */
  bool closed_seen_ : 1 = false;
  /** The peer's end was read. */
  bool read_end_ : 1 = false;
  /** An event that may have been a reset came while reading was disabled: the next reading goes on until EAGAIN. */
  bool look_again_ : 1 = false;
  /** read_buffer_ is full; reading goes on when filters take from it. */
  bool read_full_ : 1 = false;
  /** Paused, and bytes are known to wait in the socket. */
  bool bytes_wait_ : 1 = false;
  /** The end is to be written after write_buffer_, and was. */
  bool write_end_ : 1 = false;
  bool write_end_sent_ : 1 = false;
  /** The socket took all that it could; an event will come. */
  bool write_blocked_ : 1 = false;
  bool above_high_ : 1 = false;
  bool ended_by_error_ : 1 = false;
  bool callbacks_removed_ : 1 = false;
  /** What the transport told of itself. */
  bool transport_shakes_hands_ : 1 = false;
  bool transport_holds_ : 1 = false;
};

#ifdef __x86_64__
static_assert(sizeof(Connection) <= 256, "each proxied connection costs two of these");
#endif

}  // namespace sluice::net
