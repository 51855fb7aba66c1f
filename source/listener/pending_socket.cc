#include "source/listener/pending_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "source/base/logging.h"
#include "source/listener/local_listener.h"

namespace sluice::listener {

PendingSocket::PendingSocket(LocalListener& listener, net::Socket socket, net::StreamInfo info, bool handed_on)
    : listener_(listener),
      spec_(listener.sharedSpec()),
      socket_(std::move(socket)),
      info_(std::move(info)),
      handed_on_(handed_on) {
  filters_.reserve(spec_->listener_filters.size());
  for (const ListenerFilterEntry& entry : spec_->listener_filters) {
    filters_.push_back(entry.config->create());
  }
  spec_->stats->pre_cx_active.inc();
}

PendingSocket::~PendingSocket() = default;

event::Dispatcher& PendingSocket::dispatcher() { return listener_.dispatcher(); }

void PendingSocket::start() {
  runFilters();
  if (!finished_ && spec_->listener_filters_timeout.count() > 0) {
    timer_ = dispatcher().createTimer([this] { onTimeout(); });
    timer_->enable(spec_->listener_filters_timeout);
  }
}

void PendingSocket::abandon() { finish(false); }

void PendingSocket::runFilters() {
  while (current_ < filters_.size()) {
    const auto& disabled = spec_->listener_filters[current_].disabled;
    if (disabled != nullptr && disabled->matches(info_)) {
      ++current_;
      continue;
    }
    net::ListenerFilter& filter = *filters_[current_];
    calling_ = true;
    continued_ = false;
    const net::FilterStatus status = filter.onAccept(*this);
    calling_ = false;
    if (refused_) {
      finish(false);
      return;
    }
    if (status == net::FilterStatus::StopIteration && !continued_) {
      reading_ = filter.maxReadBytes() > 0;
      shown_ = 0;
      // What came with the handshake's last packet is there already.
      if (!reading_ || !peek()) {
        return;
      }
    }
    ++current_;
  }
  finish(true);
}

bool PendingSocket::peek() {
  Look look;
  do {
    look = lookOnce();
  } while (look == Look::Again);
  if (look == Look::Wait && event_ == nullptr) {
    // Edge-triggered, since what was peeked at stays readable; entering it reports what is there already.
    event_ =
        dispatcher().createFileEvent(socket_.fd(), event::Trigger::Edge, event::ready::kRead | event::ready::kClosed,
                                     [this](uint32_t bits) { onReady(bits); });
  }
  return look == Look::Done;
}

PendingSocket::Look PendingSocket::lookOnce() {
  net::ListenerFilter& filter = *filters_[current_];
  const size_t wanted = filter.maxReadBytes();
  if (room_ < wanted) {
    bytes_ = std::make_unique_for_overwrite<char[]>(wanted);
    room_ = wanted;
  }
  ssize_t received;
  do {
    received = ::recv(socket_.fd(), bytes_.get(), wanted, MSG_PEEK);
  } while (received < 0 && errno == EINTR);
  if (received < 0 && errno != EAGAIN) {
    fail(spec_->stats->listener_filter_error);
    return Look::Finished;
  }
  peer_ended_ = peer_ended_ || received == 0;
  const size_t got = received < 0 ? 0 : static_cast<size_t>(received);
  const bool ended = peer_ended_ && got < wanted;
  if (got <= shown_ && !ended) {
    return Look::Wait;
  }
  shown_ = got;
  size_t consumed = 0;
  calling_ = true;
  continued_ = false;
  const net::FilterStatus status = filter.onData(absl::string_view(bytes_.get(), got), ended, consumed);
  calling_ = false;
  if (consumed > 0 && ::recv(socket_.fd(), bytes_.get(), consumed, 0) != static_cast<ssize_t>(consumed)) {
    fail(spec_->stats->listener_filter_error);
    return Look::Finished;
  }
  shown_ -= consumed;
  if (refused_) {
    finish(false);
    return Look::Finished;
  }
  if (status == net::FilterStatus::Continue || continued_) {
    reading_ = false;
    return Look::Done;
  }
  if (ended) {
    fail(spec_->stats->listener_filter_remote_close);
    return Look::Finished;
  }
  // What it wants now beyond what it was shown may be there already, and no edge would tell of it.
  return consumed > 0 || (got == wanted && filter.maxReadBytes() > wanted) ? Look::Again : Look::Wait;
}

void PendingSocket::fail(const stats::Counter& reason) {
  reason.inc();
  finish(false);
}

void PendingSocket::onReady(uint32_t bits) {
  if ((bits & event::ready::kClosed) != 0) {
    peer_ended_ = true;
  }
  if (reading_ && peek()) {
    ++current_;
    runFilters();
  }
}

void PendingSocket::continueFilterChain(bool success) {
  if (finished_) {
    return;
  }
  if (calling_) {
    continued_ = true;
    refused_ = !success;
    return;
  }
  if (!success) {
    finish(false);
    return;
  }
  reading_ = false;
  ++current_;
  runFilters();
}

void PendingSocket::onTimeout() {
  spec_->stats->pre_cx_timeout.inc();
  LOG_DEBUG(conn_handler, "the listener filters of {} took longer than {} ms over a connection from {}", *spec_->name,
            spec_->listener_filters_timeout.count(), info_.downstream_remote.toString());
  finish(spec_->continue_on_listener_filters_timeout);
}

void PendingSocket::finish(bool success) {
  if (finished_) {
    return;
  }
  finished_ = true;
  timer_.reset();
  event_.reset();
  spec_->stats->pre_cx_active.dec();
  unlink();
  net::Socket socket = std::move(socket_);
  net::StreamInfo info = std::move(info_);
  const bool handed_on = handed_on_;
  LocalListener& listener = listener_;
  dispatcher().deferredDelete(std::unique_ptr<event::DeferredDeletable>(this));
  if (success) {
    listener.onListenerFiltersDone(std::move(socket), std::move(info), handed_on);
  } else {
    listener.onSocketRefused(std::move(socket), info);
  }
}

}  // namespace sluice::listener
