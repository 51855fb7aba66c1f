#pragma once

// The parts of a Connection that its own sources share and nobody else sees.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "source/net/connection.h"

namespace sluice::net {

/**
 * A read filter in its chain; its place is what continueReading() goes on from. Each connection has one or more, so what
 * the filter was told stands in the spare bits of a pointer.
 */
struct Connection::ReadEntry final : public ReadFilterCallbacks {
  ReadEntry(Connection& connection, std::unique_ptr<ReadFilter> read_filter)
      : filter(std::move(read_filter)), owner_and_told_(reinterpret_cast<uintptr_t>(&connection)) {}

  Connection& connection() override { return *reinterpret_cast<Connection*>(owner_and_told_ & ~uintptr_t{kTold}); }
  void continueReading() override { connection().continueReading(*this); }
  bool startUpstreamSecureTransport() override { return connection().startUpstreamSecureTransport(); }

  bool toldOfConnection() const { return (owner_and_told_ & kToldOfConnection) != 0; }
  void setToldOfConnection() { owner_and_told_ |= kToldOfConnection; }
  bool toldOfEnd() const { return (owner_and_told_ & kToldOfEnd) != 0; }
  void setToldOfEnd() { owner_and_told_ |= kToldOfEnd; }

  const std::unique_ptr<ReadFilter> filter;
  std::unique_ptr<ReadEntry> next;

 private:
  enum : uintptr_t { kToldOfConnection = 1, kToldOfEnd = 2, kTold = 3 };
  static_assert(alignof(Connection) > kTold);

  uintptr_t owner_and_told_;
};

struct Connection::WriteEntry {
  std::unique_ptr<WriteFilter> filter;
  std::unique_ptr<WriteEntry> next;
};

/** What most connections need for a moment or never. */
struct Connection::Rare {
  /** A client's, until it has connected. */
  Address remote;
  SocketError setup_error;
  /** What failed at once is raised in the next turn. */
  bool raise_failure = false;
  ConnectionEvent failure_event = ConnectionEvent::RemoteClose;

  std::string failure_reason;

  std::unique_ptr<WriteEntry> write_filters;

  uint32_t delayed_close_ms = 0;
  std::unique_ptr<event::Timer> delayed_close_timer;

  /** What the connection's statistics were told is in its buffers. */
  uint64_t read_buffered_told = 0;
  uint64_t write_buffered_told = 0;
};

}  // namespace sluice::net
