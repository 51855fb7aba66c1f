// How a connection reads and writes. connection.cc tells of its life, connection_splice.cc of bytes that never come here.

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>

#include "source/net/connection.h"
#include "source/net/connection_parts.h"
#include "source/net/splice_pump.h"

namespace sluice::net {
namespace {

/** What one turn reads of one connection; what is left waits for the others to have their turn. */
constexpr uint64_t kReadBudget = 128 * 1024;
/** However small the limit and what is left of it, a read is offered this much. */
constexpr uint64_t kLeastRead = 4096;
/** A read of this size is one of a stream. */
constexpr uint64_t kLargeRead = 8 * 1024;
/** What a peer that is gone has sent waits this long for a reader that does not get on. */
constexpr std::chrono::seconds kTailPatience{60};

}  // namespace

bool Connection::mayRead() const {
  return state_ == State::Open && !read_end_ &&
         ((read_disable_count_ == 0 && read_filters_ != nullptr && filters_started_) || transport_shakes_hands_);
}

uint64_t Connection::readBudget() {
  if (buffer_limit_ == 0) {
    return kReadBudget;
  }
  const uint64_t waiting = read_buffer_.length();
  if (waiting >= buffer_limit_) {
    read_full_ = true;
    return 0;
  }
  return std::clamp<uint64_t>(buffer_limit_ - waiting, kLeastRead, kReadBudget);
}

void Connection::onReadable(uint32_t bits) {
  if (mayRead()) {
    readNow();
  } else if (state_ == State::Closing) {
    discardUntilEnd();
  } else if (state_ == State::Open) {
    checkPausedPeer(bits);
  }
}

void Connection::checkPausedPeer(uint32_t bits) {
  const bool paused = read_disable_count_ > 0 || read_filters_ == nullptr;
  if (closed_seen_ && paused && !half_close_) {
    closeSocket(ConnectionEvent::RemoteClose);
    return;
  }
  // A reset comes as readable and writable, and so may plain bytes: a look tells which. Bytes that wait are delivered
  // before their sender's reset is noticed, and the very first event only says what state the socket began in.
  const bool may_be_reset = (bits & event::ready::kWrite) != 0 && (bits & event::ready::kClosed) == 0;
  if (!may_be_reset || !event_seen_) {
    return;
  }
  look_again_ = true;
  if (bytes_wait_) {
    return;
  }
  char byte;
  const ssize_t seen = ::recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (seen > 0) {
    bytes_wait_ = true;
  } else if (seen < 0 && errno != EAGAIN && errno != EINTR) {
    ended_by_error_ = true;
    closeSocket(ConnectionEvent::RemoteClose);
  }
}

void Connection::readNow() {
  if (read_wanted_) {
    // Reading was enabled, and then the event came in the same turn.
    read_wanted_ = false;
    schedule();
  }
  if (splices_ && spliceNow()) {
    return;
  }
  const uint64_t budget = readBudget();
  if (budget == 0) {
    return;
  }
  const IoResult result = transport_->read(read_buffer_, budget, closed_seen_ || look_again_ || writeFailed());
  if (!result.more) {
    // A reset that came together with the last bytes looks like bytes alone (libevent hides EPOLLERR and EPOLLHUP as
    // readable and writable) and gives no further event. Reading once more after each short read would find it, at a
    // system call for each; so it is done once, a while after the connection has fallen silent.
    if (result.bytes > 0 && !closed_seen_ && !look_again_ && !writeFailed()) {
      lookLater();
    }
    look_again_ = false;
  }
  streamed_kib_ = result.bytes < kLargeRead
                      ? 0
                      : static_cast<uint16_t>(std::min<uint64_t>(streamed_kib_ + result.bytes / 1024, 32767));
  if (result.bytes > 0) {
    noteReceived(result.bytes);
  }
  afterRead(result);
}

void Connection::afterRead(const IoResult& result) {
  // The failed write took the socket's error with it, so that now the error looks like an end, or like nothing more.
  const bool broken = result.close || (writeFailed() && !result.more);
  read_end_ = read_end_ || (result.end_stream && !broken);
  if (result.more) {
    scheduleRead();
    if (writeFailed() && rare_ != nullptr) {
      rare_->delayed_close_timer.reset();
    }
  }
  if (result.bytes > 0 || (result.end_stream && half_close_ && !broken)) {
    deliver(read_filters_.get());
    if (state_ == State::Closed) {
      return;
    }
  }
  if (broken) {
    ended_by_error_ = true;
    closeSocket(ConnectionEvent::RemoteClose);
    return;
  }
  if (result.end_stream && !half_close_ && state_ == State::Open) {
    // The peer has only said that it sends no more: it gets the answer to its last bytes if the socket takes it.
    if (hasUnsentBytes() && !write_blocked_) {
      writeNow();
    }
    closeSocket(ConnectionEvent::RemoteClose);
    return;
  }
  if (read_end_ && write_end_sent_ && read_buffer_.empty() && state_ == State::Open) {
    closeSocket(ConnectionEvent::RemoteClose);
  }
}

void Connection::discardUntilEnd() {
  if (close_type_ != CloseType::FlushWriteAndDelay || read_end_) {
    return;
  }
  Buffer discarded;
  const IoResult result = transport_->read(discarded, kReadBudget, closed_seen_);
  if (result.more) {
    scheduleRead();
  }
  read_end_ = read_end_ || result.end_stream;
  if (result.close || (read_end_ && write_end_sent_)) {
    closeSocket(ConnectionEvent::RemoteClose);
  }
}

void Connection::deliver(ReadEntry* first) {
  for (ReadEntry* entry = first; entry != nullptr; entry = entry->next.get()) {
    FilterStatus status = FilterStatus::Continue;
    if (!entry->toldOfConnection()) {
      entry->setToldOfConnection();
      status = entry->filter->onNewConnection();
    }
    if (status == FilterStatus::StopIteration || state_ > State::Open) {
      break;
    }
    const bool end = read_end_ && half_close_;
    if (!read_buffer_.empty() || (end && !entry->toldOfEnd())) {
      if (end) {
        entry->setToldOfEnd();
      }
      status = entry->filter->onData(read_buffer_, end);
    }
    if (status == FilterStatus::StopIteration || state_ > State::Open) {
      break;
    }
  }
  if (state_ == State::Closed) {
    return;
  }
  updateBufferedStats();
  if (read_full_ && read_buffer_.length() < buffer_limit_) {
    read_full_ = false;
    scheduleRead();
  }
}

void Connection::continueReading(ReadEntry& entry) {
  if (state_ > State::Open) {
    return;
  }
  deliver(entry.next.get());
  if (state_ == State::Open && read_end_ && write_end_sent_ && read_buffer_.empty()) {
    closeSocket(ConnectionEvent::RemoteClose);
  }
}

void Connection::noteReceived(uint64_t bytes) {
  bytes_received_ += bytes;
  if (info_ != nullptr) {
    info_->bytes_received += bytes;
  }
  stats_.read_total.add(bytes);
  last_activity_ = dispatcher_.now();
}

void Connection::noteSent(uint64_t bytes) {
  bytes_sent_ += bytes;
  if (info_ != nullptr) {
    info_->bytes_sent += bytes;
  }
  stats_.write_total.add(bytes);
  last_activity_ = dispatcher_.now();
}

void Connection::updateBufferedStats() {
  const uint64_t reading = state_ == State::Closed ? 0 : read_buffer_.length();
  const uint64_t writing = write_buffer_.length() + (pipe_ == nullptr ? 0 : pipe_->level);
  // Mostly nothing is left in the buffers, and nothing was before.
  if (!buffered_told_ && reading == 0 && writing == 0) {
    return;
  }
  Rare& parts = rare();
  stats_.read_buffered.add(reading - parts.read_buffered_told);
  stats_.write_buffered.add(writing - parts.write_buffered_told);
  parts.read_buffered_told = reading;
  parts.write_buffered_told = writing;
  buffered_told_ = reading != 0 || writing != 0;
}

void Connection::setStats(const ConnectionStats& stats) {
  if (buffered_told_) {
    const Rare& parts = rare();
    stats_.read_buffered.sub(parts.read_buffered_told);
    stats_.write_buffered.sub(parts.write_buffered_told);
    stats.read_buffered.add(parts.read_buffered_told);
    stats.write_buffered.add(parts.write_buffered_told);
  }
  stats_ = stats;
}

void Connection::write(Buffer& data, bool end_stream) {
  WriteEntry* const filters = writeFilters();
  if (filters == nullptr) {
    appendToWriteBuffer(data, end_stream);
  } else if (state_ <= State::Open && !write_end_) {
    passToWriteFilters(filters, data, end_stream);
  }
  data.clear();
}

void Connection::continueWriting(WriteFilter& filter, Buffer& data, bool end_stream) {
  for (WriteEntry* entry = writeFilters(); entry != nullptr; entry = entry->next.get()) {
    if (entry->filter.get() == &filter) {
      if (state_ <= State::Open && !write_end_) {
        passToWriteFilters(entry->next.get(), data, end_stream);
      }
      break;
    }
  }
  data.clear();
}

void Connection::passToWriteFilters(WriteEntry* first, Buffer& data, bool end_stream) {
  for (WriteEntry* entry = first; entry != nullptr; entry = entry->next.get()) {
    if (entry->filter->onWrite(data, end_stream) == FilterStatus::StopIteration) {
      return;
    }
  }
  appendToWriteBuffer(data, end_stream);
}

void Connection::appendToWriteBuffer(Buffer& data, bool end_stream) {
  if (state_ > State::Open || write_end_ || (data.empty() && !end_stream)) {
    return;
  }
  write_buffer_.move(data);
  write_end_ = end_stream;
  if (state_ == State::Open && !write_blocked_) {
    scheduleFlush();
  }
  checkWatermarks();
}

void Connection::flush() {
  if ((state_ == State::Open || state_ == State::Closing) && !write_blocked_) {
    writeNow();
  }
}

void Connection::writeNow() {
  const uint64_t sent_before = bytes_sent_;
  if (pipe_ != nullptr) {
    const PipeState pipe = writePipe();
    if (pipe == PipeState::Failed) {
      onWriteFailed();
      return;
    }
    write_blocked_ = pipe == PipeState::Blocked;
    if (pipe == PipeState::Empty) {
      releasePipe();
      if (splice_peer_ != nullptr && splice_peer_->splices_) {
        splice_peer_->scheduleRead();
      }
    }
  }
  if (!write_blocked_ && (!write_buffer_.empty() || transport_holds_ || (write_end_ && !write_end_sent_))) {
    // Once both directions have ended the socket is closed, and that tells the peer of our end as well as shutdown().
    const bool closing_is_enough = read_end_ && read_buffer_.empty() && transport_->isRaw();
    const IoResult result = transport_->write(write_buffer_, write_end_ && !closing_is_enough);
    if (result.bytes > 0) {
      noteSent(result.bytes);
    }
    if (result.close) {
      onWriteFailed();
      return;
    }
    write_blocked_ = !write_buffer_.empty() || transport_holds_;
    write_end_sent_ = write_end_ && !write_blocked_;
  }
  if (write_blocked_) {
    ensureWatched();
  }
  updateBufferedStats();
  if (state_ == State::Closing) {
    if (!hasUnsentBytes() && (close_type_ == CloseType::FlushWrite || read_end_)) {
      closeSocket(ConnectionEvent::LocalClose);
    } else if (bytes_sent_ != sent_before) {
      restartDelayedCloseTimer();
    }
    return;
  }
  if (above_high_ || write_blocked_) {
    checkWatermarks();
  }
  if (state_ == State::Open && read_end_ && write_end_sent_ && read_buffer_.empty()) {
    closeSocket(ConnectionEvent::RemoteClose);
  }
}

void Connection::onWriteFailed() {
  ended_by_error_ = true;
  if (state_ != State::Open || read_end_ || read_filters_ == nullptr || !filters_started_) {
    closeSocket(ConnectionEvent::RemoteClose);
    return;
  }
  // A peer that answers and closes without reading all of our bytes resets; its answer may still wait in the socket, and
  // what it spliced to us has nowhere to go. Only writing ends here: reading meets the error, in its own turn.
  if (splice_peer_ != nullptr && splice_peer_->splices_) {
    splice_peer_->scheduleRead();
  }
  unlinkSplice();
  releasePipe();
  write_buffer_.clear();
  write_end_ = write_end_sent_ = true;
  write_blocked_ = transport_holds_ = false;
  updateBufferedStats();
  scheduleRead();
  if (above_high_) {
    checkWatermarks();
  }
}

void Connection::waitWithTail() {
  char byte;
  if (::recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
    closeSocket(ConnectionEvent::RemoteClose);
    return;
  }
  Rare& parts = rare();
  parts.delayed_close_timer = dispatcher_.createTimer([this] { closeSocket(ConnectionEvent::RemoteClose); });
  parts.delayed_close_timer->enable(kTailPatience);
}

}  // namespace sluice::net
