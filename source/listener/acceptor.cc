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

/** A socket that fails for long says so this often. */
constexpr std::chrono::seconds kWarnAgain{5};

/** A queue that fills as fast as it is emptied must not hold its worker for ever. */
constexpr uint32_t kMostRemaining = 65536;

bool outOfResources(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

/** What befell the connection that was next, which has left the queue; accept(2) hands it on as an error of its own. */
bool ofTheConnection(int error) {
  switch (error) {
    case ECONNABORTED:
    case ECONNRESET:
    case EINTR:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

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
    owner_.stats().accept_out_of_descriptors.inc();
    pause(error);
    return Outcome::Paused;
  }
  owner_.stats().accept_error.inc();
  if (!ofTheConnection(error)) {
    // It may be the socket's own, and then it comes again at once, for ever.
    pause(error);
    return Outcome::Paused;
  }
  LOG_DEBUG(conn_handler, "a connection to {} was lost before it was accepted: {}", socket_.local.toString(),
            strerror(error));
  return Outcome::Accepted;
}

void Acceptor::pause(int error) {
  if (resume_timer_ == nullptr) {
    resume_timer_ = dispatcher_.createTimer([this] { event_->setEnabled(event::ready::kRead); });
  }
  if (resume_timer_->enabled()) {
    return;
  }
  event_->setEnabled(0);
  resume_timer_->enable(kPause);
  const base::MonotonicTime now = dispatcher_.now();
  if (!last_warning_.has_value() || now - *last_warning_ >= kWarnAgain) {
    last_warning_ = now;
    LOG_WARNING(conn_handler, "cannot accept connections to {}, trying again every {} ms: {}", socket_.local.toString(),
                kPause.count(), strerror(error));
  }
}

}  // namespace sluice::listener
