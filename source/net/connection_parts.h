#pragma once

// The parts of a Connection that its own sources share and nobody else sees.

#include "source/net/connection.h"

namespace sluice::net {

/** A read filter in its chain; its place is what continueReading() goes on from. */
struct Connection::ReadEntry final : public ReadFilterCallbacks {
  ReadEntry(Connection& connection, std::unique_ptr<ReadFilter> read_filter)
      : owner(connection), filter(std::move(read_filter)) {}

  Connection& connection() override { return owner; }
  void continueReading() override { owner.continueReading(*this); }

  Connection& owner;
  const std::unique_ptr<ReadFilter> filter;
  std::unique_ptr<ReadEntry> next;
  bool told_of_connection = false;
  bool told_of_end = false;
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
