#include "source/admin/connection_gate.h"

#include <sys/socket.h>

#include <algorithm>

#include <event2/buffer.h>

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::admin {
namespace {

/** What a client may send ahead while its answer is made. */
constexpr size_t kReadAheadBytes = 128 * 1024;
constexpr size_t kBytesPerWrite = 128 * 1024;
constexpr int kSweepsPerTimeout = 4;
/** For as long a socket may stay open that evhttp is through with. */
constexpr std::chrono::milliseconds kLongestSweep{1000};

}  // namespace

ConnectionGate::ConnectionGate(event::LibeventDispatcher& dispatcher, uint32_t max_connections,
                               std::chrono::milliseconds timeout)
    : dispatcher_(dispatcher),
      max_connections_(max_connections),
      timeout_(timeout),
      sweep_timer_(dispatcher.createTimer([this] { sweep(); })) {}

ConnectionGate::~ConnectionGate() {
  for (const Connection& connection : connections_) {
    bufferevent_decref(connection.buffers);
  }
}

bufferevent* ConnectionGate::makeConnection() {
  const event::LibeventDispatcher::CallbackScope scope(dispatcher_);
  bufferevent* buffers = bufferevent_socket_new(dispatcher_.base(), -1, BEV_OPT_CLOSE_ON_FREE);
  SLUICE_CHECK(buffers != nullptr, "out of memory");
  bufferevent_incref(buffers);
  bufferevent_setwatermark(buffers, EV_READ, 0, kReadAheadBytes);
  bufferevent_set_max_single_write(buffers, kBytesPerWrite);

  forgetThoseGone();
  Connection connection;
  connection.buffers = buffers;
  connection.since = dispatcher_.now();
  connections_.push_back(connection);
  // Before the next poll, so that nothing can have happened to the connection until then.
  dispatcher_.post([self = anchor_.ref()] {
    if (ConnectionGate* gate = self.get()) {
      gate->admit();
    }
  });
  return buffers;
}

bool ConnectionGate::Connection::gone() const {
  bufferevent_event_cb on_event = nullptr;
  bufferevent_getcb(buffers, nullptr, nullptr, &on_event, nullptr);
  return admitted && on_event == nullptr;
}

void ConnectionGate::forgetThoseGone() {
  const auto gone = std::stable_partition(connections_.begin(), connections_.end(),
                                          [](const Connection& connection) { return !connection.gone(); });
  for (auto connection = gone; connection != connections_.end(); ++connection) {
    bufferevent_decref(connection->buffers);
  }
  connections_.erase(gone, connections_.end());
}

void ConnectionGate::admit() {
  forgetThoseGone();
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& newest = connections_[i];
    if (!newest.admitted) {
      newest.admitted = true;
      makeRoomFor(i);
    }
  }
  if (!sweep_timer_->enabled() && !connections_.empty()) {
    sweep_timer_->enable(std::min(timeout_ / kSweepsPerTimeout, kLongestSweep));
  }
}

void ConnectionGate::makeRoomFor(size_t newest) {
  size_t open = 1;
  Connection* victim = &connections_[newest];
  for (size_t i = 0; i < newest; ++i) {
    Connection& other = connections_[i];
    if (other.ended) {
      continue;
    }
    ++open;
    if (!other.in_request && (victim == &connections_[newest] || other.since < victim->since)) {
      victim = &other;
    }
  }
  if (open > max_connections_) {
    if (!warned_) {
      warned_ = true;
      LOG_WARNING(admin, "more than {} connections to the admin address: the idlest are closed", max_connections_);
    }
    victim->end();
  }
}

void ConnectionGate::Connection::end() {
  ended = true;
  ::shutdown(bufferevent_getfd(buffers), SHUT_RDWR);
}

void ConnectionGate::sweep() {
  warned_ = false;
  forgetThoseGone();
  const base::MonotonicTime now = dispatcher_.now();
  for (Connection& connection : connections_) {
    const size_t left = evbuffer_get_length(bufferevent_get_output(connection.buffers));
    // An answer that main still works on is not the client's fault.
    if (connection.in_request && (left == 0 || left != connection.unsent)) {
      connection.since = now;
    }
    connection.unsent = left;
    if (now - connection.since >= timeout_) {
      connection.end();
    }
  }
  if (!connections_.empty()) {
    sweep_timer_->enable(std::min(timeout_ / kSweepsPerTimeout, kLongestSweep));
  }
}

ConnectionGate::Connection* ConnectionGate::find(bufferevent* buffers) {
  for (Connection& connection : connections_) {
    if (connection.buffers == buffers) {
      return &connection;
    }
  }
  return nullptr;
}

void ConnectionGate::requestBegan(bufferevent* buffers) {
  if (Connection* connection = find(buffers)) {
    connection->in_request = true;
    connection->since = dispatcher_.now();
    connection->unsent = 0;
  }
}

void ConnectionGate::requestEnded(bufferevent* buffers) {
  if (Connection* connection = find(buffers)) {
    connection->in_request = false;
    connection->since = dispatcher_.now();
  }
}

size_t ConnectionGate::unsentBytes() const {
  size_t sum = 0;
  for (const Connection& connection : connections_) {
    sum += evbuffer_get_length(bufferevent_get_output(connection.buffers));
  }
  return sum;
}

}  // namespace sluice::admin
