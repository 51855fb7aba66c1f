#include "source/net/connection.h"

#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/assert.h"
#include "source/base/crash.h"
#include "source/net/connection_parts.h"

namespace sluice::net {
namespace {

uint64_t nextId() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Connection::Connection(event::Dispatcher& dispatcher, Socket socket, std::unique_ptr<TransportSocket> transport,
                       State state)
    : dispatcher_(dispatcher),
      transport_(std::move(transport)),
      last_activity_(dispatcher.now()),
      id_(nextId()),
      socket_(std::move(socket)),
      state_(state) {
  transport_->setCallbacks(*this);
}

std::unique_ptr<Connection> Connection::server(event::Dispatcher& dispatcher, Socket socket,
                                               std::unique_ptr<TransportSocket> transport, StreamInfo stream_info) {
  std::unique_ptr<Connection> connection(
      new Connection(dispatcher, std::move(socket), std::move(transport), State::Open));
  connection->info_ = std::make_unique<StreamInfo>(std::move(stream_info));
  connection->info_->connection_id = connection->id_;
  return connection;
}

std::unique_ptr<Connection> Connection::client(event::Dispatcher& dispatcher, const Address& remote,
                                               std::unique_ptr<TransportSocket> transport,
                                               const ClientSocketOptions& options) {
  Socket socket;
  const SocketError error = makeClientSocket(remote, options, socket);
  std::unique_ptr<Connection> connection(
      new Connection(dispatcher, std::move(socket), std::move(transport), State::Connecting));
  Rare& rare = connection->rare();
  rare.remote = remote;
  rare.setup_error = error;
  return connection;
}

Connection::~Connection() {
  if (state_ != State::Closed) {
    callbacks_.clear();
    closeSocket(ConnectionEvent::LocalClose);
  }
}

StreamInfo& Connection::streamInfo() {
  if (info_ == nullptr) {
    info_ = std::make_unique<StreamInfo>();
    info_->connection_id = id_;
    info_->start_monotonic = dispatcher_.now();
    info_->start_time = dispatcher_.systemNow();
    info_->bytes_received = bytes_received_;
    info_->bytes_sent = bytes_sent_;
    info_->downstream_tls = transport_->tlsInfo().get();
  }
  return *info_;
}

Connection::Rare& Connection::rare() {
  if (rare_ == nullptr) {
    rare_ = std::make_unique<Rare>();
  }
  return *rare_;
}

absl::string_view Connection::failureReason() const {
  return rare_ != nullptr && !rare_->failure_reason.empty() ? rare_->failure_reason : transport_->failureReason();
}

bool Connection::ensureWatched() {
  if (watch_ == nullptr && state_ != State::Closed) {
    watch_ = dispatcher_.watchConnection(socket_.fd(), *this);
    if (watch_ == nullptr) {
      failNextTurn(ConnectionEvent::LocalClose, absl::StrCat("cannot watch a connection: ", strerror(errno)));
      return false;
    }
  }
  return true;
}

void Connection::failNextTurn(ConnectionEvent event, std::string reason) {
  Rare& parts = rare();
  parts.raise_failure = true;
  parts.failure_event = event;
  parts.failure_reason = std::move(reason);
  scheduleRead();
}

void Connection::connect() {
  SLUICE_CHECK(state_ == State::Connecting && watch_ == nullptr && rare_ != nullptr, "connected twice");
  if (rare_->setup_error.error != 0) {
    if (absl::string_view(rare_->setup_error.call) == "bind") {
      stats_.bind_errors.inc();
    }
    failNextTurn(ConnectionEvent::LocalClose,
                 absl::StrCat("cannot ", rare_->setup_error.call, " a connection to ", rare_->remote.toString(), ": ",
                              strerror(rare_->setup_error.error)));
    return;
  }
  sockaddr_storage to;
  const socklen_t length = rare_->remote.toSockaddr(to);
  int outcome;
  do {
    outcome = ::connect(socket_.fd(), reinterpret_cast<sockaddr*>(&to), length);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0 && errno != EINPROGRESS) {
    failNextTurn(ConnectionEvent::RemoteClose, absl::StrCat("immediate connect error: ", strerror(errno)));
    return;
  }
  // Only now: epoll tells of a socket that was never connected that it hung up.
  ensureWatched();
}

void Connection::finishConnect(uint32_t bits) {
  // A failure is reported as readable and writable; writable alone says that it worked, and saves a call.
  if (bits != event::ready::kWrite) {
    int error = 0;
    socklen_t length = sizeof(error);
    if (::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
      error = errno;
    }
    if (error != 0) {
      rare().failure_reason = absl::StrCat("delayed connect error: ", strerror(error));
      closeSocket(ConnectionEvent::RemoteClose);
      return;
    }
  }
  if (rare_->write_filters == nullptr && rare_->delayed_close_ms == 0) {
    rare_.reset();
  }
  state_ = State::Open;
  filters_started_ = true;
  last_activity_ = dispatcher_.now();
  transport_->onConnected();
}

void Connection::onTransportConnected() {
  if (info_ != nullptr) {
    info_->downstream_tls = transport_->tlsInfo().get();
    if (info_->downstream_tls != nullptr) {
      info_->downstream_handshake_complete = dispatcher_.now();
    }
  }
  if (hasUnsentBytes() || write_end_) {
    scheduleFlush();
  }
  forEachCallback([](ConnectionCallbacks& callbacks) { callbacks.onEvent(ConnectionEvent::Connected); });
}

bool Connection::startSecureTransport() {
  if (state_ != State::Open || !transport_->startSecureTransport(write_buffer_)) {
    return false;
  }
  updateBufferedStats();
  if (above_high_) {
    checkWatermarks();
  }
  return true;
}

bool Connection::startUpstreamSecureTransport() {
  for (ReadEntry* entry = read_filters_.get(); entry != nullptr; entry = entry->next.get()) {
    if (entry->filter->startUpstreamSecureTransport()) {
      return true;
    }
  }
  return false;
}

void Connection::onReady(uint32_t bits) {
  const base::ScopedActivity activity("connection", id_);
  if ((bits & event::ready::kClosed) != 0) {
    closed_seen_ = true;
  }
  if (state_ == State::Connecting) {
    if ((bits & (event::ready::kWrite | event::ready::kClosed)) == 0) {
      return;
    }
    finishConnect(bits);
    if (state_ == State::Closed) {
      return;
    }
  }
  if ((bits & event::ready::kWrite) != 0 && write_blocked_) {
    write_blocked_ = false;
    writeNow();
    if (state_ == State::Closed) {
      return;
    }
  }
  if ((bits & (event::ready::kRead | event::ready::kClosed)) != 0) {
    onReadable(bits);
  }
  event_seen_ = true;
}

void Connection::scheduleFlush() {
  if (!flush_wanted_) {
    flush_wanted_ = true;
    schedule();
  }
}

void Connection::scheduleRead() {
  if (!read_wanted_) {
    read_wanted_ = true;
    schedule();
  }
}

void Connection::lookLater() {
  if (!look_wanted_) {
    look_wanted_ = true;
    schedule();
  }
}

void Connection::scheduleWrite() {
  write_blocked_ = false;
  scheduleFlush();
}

void Connection::setHandshaking(bool handshaking) { transport_shakes_hands_ = handshaking; }

void Connection::setHoldsUnsent(bool holds) {
  transport_holds_ = holds;
  if (holds && state_ != State::Closed) {
    write_blocked_ = true;
    ensureWatched();
  }
}

/** One task stands in the list of whatever comes first; run() has it stand in the next. */
void Connection::schedule() {
  IntrusiveTask::unlink();
  if (flush_wanted_) {
    dispatcher_.runAtUnwind(*this);
  } else if (read_wanted_) {
    dispatcher_.runNextTurn(*this);
  } else if (look_wanted_) {
    dispatcher_.runLater(*this);
  }
}

void Connection::run() {
  if (flush_wanted_) {
    flush_wanted_ = false;
    // Writing cost it its place among those that read next turn. The second time in a row it reads here, since a peer
    // that has us write in every turn would have us never read.
    const bool reads_now = read_wanted_ && lost_place_;
    lost_place_ = read_wanted_ && !reads_now;
    if (!reads_now) {
      schedule();
      flush();
      return;
    }
    flush();
  }
  read_wanted_ = look_wanted_ = lost_place_ = false;
  if (rare_ != nullptr && rare_->raise_failure) {
    closeSocket(rare_->failure_event);
  } else if (mayRead()) {
    readNow();
  } else if (state_ == State::Closing) {
    discardUntilEnd();
  } else if (writeFailed()) {
    waitWithTail();
  }
}

void Connection::addCallbacks(ConnectionCallbacks& callbacks) { callbacks_.push_back(&callbacks); }

void Connection::removeCallbacks(ConnectionCallbacks& callbacks) {
  for (auto it = callbacks_.begin(); it != callbacks_.end(); ++it) {
    if (*it == &callbacks) {
      if (callback_depth_ == 0) {
        callbacks_.erase(it);
      } else {
        *it = nullptr;
        callbacks_removed_ = true;
      }
      return;
    }
  }
}

template <class Call>
void Connection::forEachCallback(Call&& call) {
  ++callback_depth_;
  const size_t count = callbacks_.size();
  for (size_t i = 0; i < count; ++i) {
    if (callbacks_[i] != nullptr) {
      call(*callbacks_[i]);
    }
  }
  if (--callback_depth_ == 0 && callbacks_removed_) {
    callbacks_removed_ = false;
    size_t kept = 0;
    for (ConnectionCallbacks* callbacks : callbacks_) {
      if (callbacks != nullptr) {
        callbacks_[kept++] = callbacks;
      }
    }
    callbacks_.resize(kept);
  }
}

void Connection::checkWatermarks() {
  const uint64_t waiting = write_buffer_.length();
  if (!above_high_) {
    // A pipe that is kept is one that our peer would not empty: no further byte goes into it.
    if (buffer_limit_ > 0 && (waiting > buffer_limit_ || (pipe_ != nullptr && write_blocked_))) {
      above_high_ = true;
      forEachCallback([](ConnectionCallbacks& callbacks) { callbacks.onAboveWriteBufferHighWatermark(); });
    }
  } else if (buffer_limit_ == 0 || (pipe_ == nullptr && waiting <= buffer_limit_ / 2)) {
    above_high_ = false;
    forEachCallback([](ConnectionCallbacks& callbacks) { callbacks.onBelowWriteBufferLowWatermark(); });
  }
}

void Connection::addReadFilter(std::unique_ptr<ReadFilter> filter) {
  std::unique_ptr<ReadEntry>* end = &read_filters_;
  while (*end != nullptr) {
    end = &(*end)->next;
  }
  *end = std::make_unique<ReadEntry>(*this, std::move(filter));
  ReadEntry& entry = **end;
  entry.filter->initialize(entry);
  if (event_seen_) {
    scheduleRead();
  }
}

void Connection::addWriteFilter(std::unique_ptr<WriteFilter> filter) {
  auto entry = std::make_unique<WriteEntry>();
  entry->filter = std::move(filter);
  std::unique_ptr<WriteEntry>& first = rare().write_filters;
  entry->next = std::move(first);
  first = std::move(entry);
  first->filter->initialize(*this);
}

Connection::WriteEntry* Connection::writeFilters() const {
  return rare_ == nullptr ? nullptr : rare_->write_filters.get();
}

bool Connection::initializeReadFilters() {
  if (read_filters_ == nullptr) {
    return false;
  }
  filters_started_ = true;
  deliver(read_filters_.get());
  if (state_ == State::Open) {
    if (event_seen_) {
      // It was there for connecting or writing, and what it told of bytes to read is past.
      scheduleRead();
    }
    ensureWatched();
  }
  return true;
}

void Connection::readDisable(bool disable) {
  if (disable) {
    ++read_disable_count_;
    return;
  }
  SLUICE_CHECK(read_disable_count_ > 0, "reading is enabled more often than it was disabled");
  if (--read_disable_count_ == 0) {
    bytes_wait_ = false;
    if (state_ == State::Open && watch_ != nullptr) {
      scheduleRead();
    }
  }
}

void Connection::setBufferLimit(uint32_t bytes) {
  buffer_limit_ = bytes;
  if (state_ == State::Closed) {
    return;
  }
  if (read_full_) {
    read_full_ = false;
    scheduleRead();
  }
  checkWatermarks();
}

void Connection::setDelayedCloseTimeout(std::chrono::milliseconds timeout) {
  if (timeout.count() > 0 || rare_ != nullptr) {
    rare().delayed_close_ms = static_cast<uint32_t>(timeout.count());
  }
}

void Connection::close(CloseType type, const char* details) {
  if (state_ == State::Closed) {
    return;
  }
  if (info_ != nullptr && info_->local_close_reason == nullptr) {
    info_->local_close_reason = details;
  }
  if (type == CloseType::AbortReset) {
    resetOnClose();
    if (info_ != nullptr) {
      info_->makeExtras().detected_close = DetectedClose::LocalReset;
    }
    closeSocket(ConnectionEvent::LocalClose);
  } else if (type == CloseType::NoFlush || state_ == State::Connecting) {
    closeSocket(ConnectionEvent::LocalClose);
  } else if (state_ == State::Open) {
    closeWhenFlushed(type);
  }
}

void Connection::resetOnClose() {
  if (state_ != State::Closed) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
}

void Connection::closeWhenFlushed(CloseType type) {
  const bool waits_for_end = type == CloseType::FlushWriteAndDelay && rare_ != nullptr && rare_->delayed_close_ms > 0 &&
                             !read_end_ && !ended_by_error_;
  if ((!hasUnsentBytes() && !waits_for_end) || !transport_->canFlush()) {
    closeSocket(ConnectionEvent::LocalClose);
    return;
  }
  state_ = State::Closing;
  close_type_ = waits_for_end ? CloseType::FlushWriteAndDelay : CloseType::FlushWrite;
  write_end_ = write_end_ || waits_for_end;
  ensureWatched();
  if (!write_blocked_) {
    scheduleFlush();
  }
  if (waits_for_end) {
    // What already waits in the socket gives no further event.
    scheduleRead();
  }
  restartDelayedCloseTimer();
}

void Connection::restartDelayedCloseTimer() {
  if (rare_ == nullptr || rare_->delayed_close_ms == 0) {
    return;
  }
  Rare& parts = *rare_;
  if (parts.delayed_close_timer == nullptr) {
    parts.delayed_close_timer = dispatcher_.createTimer([this] { onDelayedCloseTimeout(); });
  }
  parts.delayed_close_timer->enable(std::chrono::milliseconds(parts.delayed_close_ms));
}

void Connection::onDelayedCloseTimeout() {
  stats_.delayed_close_timeouts.inc();
  closeSocket(ConnectionEvent::LocalClose);
}

void Connection::closeSocket(ConnectionEvent event) {
  if (state_ == State::Closed) {
    return;
  }
  state_ = State::Closed;
  watch_.reset();
  IntrusiveTask::unlink();
  flush_wanted_ = read_wanted_ = look_wanted_ = false;
  unlinkSplice();
  releasePipe();
  // read_buffer_ stays as it is: a filter that closes inside onData() still holds it.
  write_buffer_.clear();
  updateBufferedStats();
  if (rare_ != nullptr) {
    rare_->delayed_close_timer.reset();
  }
  transport_->onClose(event);
  socket_.close();
  if (info_ != nullptr) {
    if (const absl::string_view reason = transport_->failureReason(); !reason.empty()) {
      info_->makeExtras().transport_failure_reason = reason;
    } else if (ended_by_error_ && event == ConnectionEvent::RemoteClose) {
      // An error of the transport's own, such as TLS's, is none of the socket's.
      info_->makeExtras().detected_close = DetectedClose::RemoteReset;
    }
  }
  forEachCallback([event](ConnectionCallbacks& callbacks) { callbacks.onEvent(event); });
}

}  // namespace sluice::net
