#include "source/listener/acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "source/base/logging.h"
#include "source/listener/local_listener.h"

namespace sluice::listener {
namespace {

constexpr std::chrono::milliseconds kPause{100};

/** A queue that fills as fast as it is emptied must not hold its worker for ever. */
constexpr uint32_t kMostRemaining = 65536;

bool outOfResources(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

}  // namespace

Acceptor::Acceptor(event::Dispatcher& dispatcher, WorkerSocket socket, LocalListener& owner)
    : dispatcher_(dispatcher),
      owner_(owner),
      socket_(std::move(socket)),
      exact_local_(socket_.exact_local ? socket_.local : net::Address()) {
  event_ = dispatcher_.createFileEvent(socket_.socket.fd(), event::Trigger::Level, event::ready::kRead,
                                       [this](uint32_t) { onReady(); });
}

Acceptor::~Acceptor() = default;

void Acceptor::setBacklog(int backlog) {
  // On a socket that listens already this changes the length of its queue and nothing else.
  if (::listen(socket_.socket.fd(), backlog) != 0) {
    LOG_WARNING(conn_handler, "cannot change the backlog of {}: {}", socket_.local.toString(), strerror(errno));
  }
}

void Acceptor::onReady() {
  const uint32_t budget = owner_.spec().max_accepts_per_event;
  uint32_t accepted = 0;
  while (accepted < budget && acceptOne() == Outcome::Accepted) {
    ++accepted;
  }
  if (accepted > 0) {
    owner_.stats().accepted_per_socket_event.record(accepted);
  }
}

void Acceptor::acceptRemaining() {
  for (uint32_t accepted = 0; accepted < kMostRemaining && acceptOne() == Outcome::Accepted; ++accepted) {
  }
}

Acceptor::Outcome Acceptor::acceptOne() {
  net::Socket accepted;
  net::Address remote;
  const int error = net::acceptConnection(socket_.socket.fd(), accepted, remote);
  if (error == 0) {
    owner_.onAccepted(std::move(accepted), remote, *this);
    return Outcome::Accepted;
  }
  if (error == EAGAIN) {
    return Outcome::QueueEmpty;
  }
  if (outOfResources(error)) {
    pause(error);
    return Outcome::Paused;
  }
  // The peer went away while it waited, or some such: it has left the queue, and the next in it may be well.
  owner_.stats().accept_error.inc();
  LOG_DEBUG(conn_handler, "a connection to {} was lost before it was accepted: {}", socket_.local.toString(),
            strerror(error));
  return Outcome::Accepted;
}

void Acceptor::pause(int error) {
  owner_.stats().accept_out_of_descriptors.inc();
  if (resume_timer_ == nullptr) {
    resume_timer_ = dispatcher_.createTimer([this] { event_->setEnabled(event::ready::kRead); });
  }
  if (!resume_timer_->enabled()) {
    LOG_WARNING(conn_handler, "cannot accept connections to {} for the next {} ms: {}", socket_.local.toString(),
                kPause.count(), strerror(error));
    event_->setEnabled(0);
    resume_timer_->enable(kPause);
  }
}

}  // namespace sluice::listener
