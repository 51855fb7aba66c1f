#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "source/access_log/logger.h"
#include "source/listener/connection_limits.h"
#include "source/listener/filter_chain_matcher.h"
#include "source/listener/listener_stats.h"
#include "source/net/filter.h"
#include "source/net/socket.h"
#include "source/net/transport_socket.h"

namespace sluice::listener {

/**
 * One filter chain as workers see it: plain, immutable, shared by all workers, made and destroyed on main.
 */
struct FilterChain {
  /**
   * Which connections it may serve: an update hands the number on to the chain that adopts the old one, and
   * worker-local state hangs on it.
   */
  uint64_t id = 0;
  /** Empty when the configuration gives none. */
  std::shared_ptr<const std::string> name;
  std::shared_ptr<const net::TransportSocketFactory> transport;
  std::vector<std::shared_ptr<const net::NetworkFilterConfig>> filters;
};

/** One version of a listener as workers see it: plain, immutable, shared by all workers, made and destroyed on main. */
struct ListenerSpec {
  std::shared_ptr<const std::string> name;
  /** Finds an index into `chains`. */
  FilterChainMatcher matcher;
  std::vector<std::shared_ptr<const FilterChain>> chains;
  /** For what the matcher does not match; may be null. */
  std::shared_ptr<const FilterChain> default_chain;

  std::vector<std::shared_ptr<const net::ListenerFilterConfig>> listener_filters;
  /** Zero: no limit. */
  std::chrono::milliseconds listener_filters_timeout{15000};
  bool continue_on_listener_filters_timeout = false;

  uint32_t per_connection_buffer_limit = 1024 * 1024;
  uint32_t max_accepts_per_event = 1;
  int backlog = 0;
  bool ignore_global_limit = false;

  access_log::AccessLoggers access_logs;
  std::shared_ptr<const ListenerStats> stats;
  std::shared_ptr<ConnectionLimit> limit;
};

/** A descriptor on its way to the worker that will accept from it. */
struct WorkerSocket {
  /** The main side's socket set that it is of; the same number on all workers. */
  uint64_t set = 0;
  net::Socket socket;
  /** With the port that was bound. */
  net::Address local;
  /** The local address is that of every connection: no getsockname() needed. */
  bool exact_local = false;
  /** One worker accepts and hands on to all in turn: Unix sockets, which have no SO_REUSEPORT. */
  bool hands_on = false;
};

/** What one worker is to make of a listener. */
struct ListenerAssignment {
  /** The listener's number: the same through all its versions, never used again. */
  uint64_t listener = 0;
  std::shared_ptr<const ListenerSpec> spec;
  /** Sets that go on; those that the worker holds and that are not named are accepted empty and closed. */
  std::vector<uint64_t> kept_sets;
  std::vector<WorkerSocket> new_sockets;
};

}  // namespace sluice::listener
