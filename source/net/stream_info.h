#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "source/base/clock.h"
#include "source/net/address.h"

namespace sluice::net {

/** Envoy's response flags, as access logs print them (%RESPONSE_FLAGS%); bits of StreamInfo::response_flags. */
namespace response_flag {
inline constexpr uint64_t kNoHealthyUpstream = 1ull << 0;                // UH
inline constexpr uint64_t kUpstreamConnectionFailure = 1ull << 1;        // UF
inline constexpr uint64_t kUpstreamOverflow = 1ull << 2;                 // UO
inline constexpr uint64_t kNoRouteFound = 1ull << 3;                     // NR
inline constexpr uint64_t kUpstreamConnectionTermination = 1ull << 4;    // UC
inline constexpr uint64_t kDownstreamConnectionTermination = 1ull << 5;  // DC
inline constexpr uint64_t kNoClusterFound = 1ull << 6;                   // NC
inline constexpr uint64_t kDurationTimeout = 1ull << 7;                  // DT
inline constexpr uint64_t kUpstreamRetryLimitExceeded = 1ull << 8;       // URX
inline constexpr uint64_t kStreamIdleTimeout = 1ull << 9;                // SI
inline constexpr uint64_t kOverloadManagerTerminated = 1ull << 10;       // OM
inline constexpr uint64_t kUpstreamRemoteReset = 1ull << 11;             // UR
}  // namespace response_flag

/** What is known of the upstream side; made with the first attempt to connect. */
struct UpstreamInfo {
  /** Names are shared with the cluster's endpoint, which may go before the connection does. */
  std::shared_ptr<const std::string> cluster_name;
  std::shared_ptr<const std::string> cluster_alt_stat_name;
  std::shared_ptr<const std::string> host_name;
  Address host;
  Address local;
  std::string transport_failure_reason;
  uint64_t connection_id = 0;
  uint32_t attempts = 0;
  std::optional<base::MonotonicTime> connect_start;
  std::optional<base::MonotonicTime> connect_complete;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
};

/** What access logs, statistics and filters may ask of a connection (and later a stream). One thread's; plain data. */
struct StreamInfo {
  base::SystemTime start_time;
  base::MonotonicTime start_monotonic;
  /** Set when the stream is over; access logs written before that take the time of writing. */
  std::optional<base::MonotonicTime> end_monotonic;
  uint64_t connection_id = 0;
  /** Of a connection they are counted by it, bytes that never pass a filter included. */
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t response_flags = 0;

  Address downstream_local;
  /** As listener filters (PROXY protocol) may have restored it. */
  Address downstream_remote;
  /** The socket's own peer. */
  Address downstream_direct_remote;

  /** Shared with configuration; null while unknown. */
  std::shared_ptr<const std::string> listener_name;
  std::shared_ptr<const std::string> filter_chain_name;
  /** From the listener filters; null while unknown. */
  std::shared_ptr<const std::string> requested_server_name;

  /** Static texts only (%CONNECTION_TERMINATION_DETAILS%, %RESPONSE_CODE_DETAILS%). */
  const char* connection_termination_details = nullptr;
  const char* response_code_details = nullptr;
  const char* downstream_transport_failure_reason = nullptr;
  /** Why we closed the connection: what Connection::close() was told first. */
  const char* local_close_reason = nullptr;

  std::unique_ptr<UpstreamInfo> upstream;
};

}  // namespace sluice::net
