#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "source/access_log/logger.h"
#include "source/listener/connection_limits.h"
#include "source/listener/filter_chain_matcher.h"
#include "source/listener/listener_filter_predicate.h"
#include "source/listener/listener_stats.h"
#include "source/matcher/tree.h"
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
  /** How long the transport's handshake may take; zero: no limit. */
  std::chrono::milliseconds connect_timeout{0};
};

/** One of a listener's listener filters. */
struct ListenerFilterEntry {
  std::shared_ptr<const net::ListenerFilterConfig> config;
  /** What it passes over; null: nothing. */
  std::shared_ptr<const ListenerFilterPredicate> disabled;
};

/** One version of a listener as workers see it: plain, immutable, shared by all workers, made and destroyed on main. */
struct ListenerSpec {
  std::shared_ptr<const std::string> name;
  /** Finds an index into `chains`. */
  FilterChainMatcher matcher;
  /** Does so in its place (filter_chain_matcher), or gives kMissingChain; null where the chains say what they match. */
  std::shared_ptr<const matcher::Tree> matcher_tree;
  /** The tree chose a chain that there is none of: as in Envoy, not even the default chain takes it. */
  static constexpr uint32_t kMissingChain = matcher::Tree::kNone - 1;
  std::vector<std::shared_ptr<const FilterChain>> chains;
  /** For what the matcher does not match; may be null. */
  std::shared_ptr<const FilterChain> default_chain;

  /** What other listeners hand on what was meant for it by, bound or not. */
  std::vector<net::Address> addresses;
  /** Connections whose destination a listener filter restored go to the listener of that address, if there is one. */
  bool use_original_dst = false;

  std::vector<ListenerFilterEntry> listener_filters;
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
