// Bytes that go from one connection to the other through a pipe, inside the kernel. The pipe is lent from the thread's
// pool while bytes are inside it and belongs to the connection that it leads to, as part of its write buffer: what was
// read is written, in order, whatever becomes of the connection that it came from. A pipe is only ever filled when it is
// empty, so that EAGAIN on filling says that the socket has no more, never that the pipe is full.

#include <algorithm>
#include <cerrno>

#include "source/net/connection.h"
#include "source/net/connection_parts.h"
#include "source/net/splice_pump.h"

namespace sluice::net {
namespace {

/** Below this, borrowing a pipe costs more than copying. */
constexpr uint16_t kSpliceAfterKib = 64;
constexpr uint64_t kSpliceBudget = 512 * 1024;
/** A turn that moved less than this is no stream's. */
constexpr uint64_t kTrickle = 4096;

}  // namespace

void Connection::spliceTo(Connection& peer) {
  if (!transport_->isRaw() || !peer.transport_->isRaw() || state_ > State::Open || peer.state_ > State::Open) {
    return;
  }
  for (Connection* side : {this, &peer}) {
    Connection* const other = side == this ? &peer : this;
    if (side->splice_peer_ != other) {
      side->unlinkSplice();
      side->splice_peer_ = other;
    }
  }
  splices_ = true;
}

bool Connection::canSpliceTo(const Connection& to) const {
  return read_buffer_.empty() && read_filters_->next == nullptr && to.state_ == State::Open &&
         to.write_buffer_.empty() && to.writeFilters() == nullptr && !to.write_end_ && !to.write_blocked_;
}

bool Connection::spliceNow() {
  Connection& to = *splice_peer_;
  if (to.pipe_ != nullptr) {
    // Once it is empty we are called again.
    return true;
  }
  if (streamed_kib_ < kSpliceAfterKib || !canSpliceTo(to)) {
    return false;
  }
  to.pipe_ = pipe_pool::borrow();
  if (to.pipe_ == nullptr) {
    streamed_kib_ = 0;
    return false;
  }
  IoResult result;
  uint64_t moved = 0;
  // A small limit of either side holds for what is in the pipe, too.
  uint64_t most = kSpliceBudget;
  for (const uint32_t limit : {buffer_limit_, to.buffer_limit_}) {
    most = limit > 0 ? std::min(most, std::max(uint64_t{limit}, kTrickle)) : most;
  }
  PipeState written = PipeState::Empty;
  while (written == PipeState::Empty) {
    if (moved >= kSpliceBudget) {
      result.more = true;
      break;
    }
    const int64_t filled = fillPipe(*to.pipe_, socket_.fd(), most);
    if (filled > 0) {
      moved += filled;
      noteReceived(filled);
      written = to.writePipe();
    } else if (filled == 0) {
      result.end_stream = true;
      break;
    } else if (errno == EINVAL) {
      // Not a kind of socket that can be spliced.
      to.releasePipe();
      splices_ = false;
      return false;
    } else {
      result.close = errno != EAGAIN;
      result.error = result.close ? errno : 0;
      break;
    }
  }
  if (written == PipeState::Empty) {
    to.releasePipe();
    if (moved < kTrickle) {
      streamed_kib_ = 0;
    }
  } else if (written == PipeState::Blocked) {
    to.write_blocked_ = true;
    to.updateBufferedStats();
    to.checkWatermarks();
  } else {
    // What is left here goes on through buffers, and is dropped there.
    result.more = true;
    to.onWriteFailed();
  }
  // Callbacks of the other side may have closed this one.
  if (state_ != State::Closed) {
    afterRead(result);
  }
  return true;
}

Connection::PipeState Connection::writePipe() {
  while (pipe_->level > 0) {
    const int64_t moved = drainPipe(*pipe_, socket_.fd());
    if (moved > 0) {
      noteSent(moved);
    } else {
      return moved < 0 && errno == EAGAIN ? PipeState::Blocked : PipeState::Failed;
    }
  }
  return PipeState::Empty;
}

void Connection::releasePipe() {
  if (pipe_ != nullptr) {
    pipe_pool::giveBack(pipe_);
    pipe_ = nullptr;
  }
}

void Connection::unlinkSplice() {
  if (splice_peer_ != nullptr) {
    for (Connection* side : {splice_peer_->splice_peer_, splice_peer_}) {
      side->splices_ = false;
      side->splice_peer_ = nullptr;
    }
  }
}

}  // namespace sluice::net
