#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/net/address.h"
#include "source/net/filter_state.h"
#include "source/net/proxy_tlv.h"
#include "source/net/tls_info.h"

namespace envoy::config::core::v3 {
class Metadata;
}

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
inline constexpr uint64_t kFailedLocalHealthCheck = 1ull << 12;          // LH
inline constexpr uint64_t kUpstreamRequestTimeout = 1ull << 13;          // UT
inline constexpr uint64_t kLocalReset = 1ull << 14;                      // LR
inline constexpr uint64_t kDelayInjected = 1ull << 15;                   // DI
inline constexpr uint64_t kFaultInjected = 1ull << 16;                   // FI
inline constexpr uint64_t kRateLimited = 1ull << 17;                     // RL
inline constexpr uint64_t kUnauthorizedExternalService = 1ull << 18;     // UAEX
inline constexpr uint64_t kRateLimitServiceError = 1ull << 19;           // RLSE
inline constexpr uint64_t kInvalidRequestHeaders = 1ull << 20;           // IH
inline constexpr uint64_t kDownstreamProtocolError = 1ull << 21;         // DPE
inline constexpr uint64_t kUpstreamMaxStreamDuration = 1ull << 22;       // UMSDR
inline constexpr uint64_t kResponseFromCache = 1ull << 23;               // RFCF
inline constexpr uint64_t kNoFilterConfigFound = 1ull << 24;             // NFCF
inline constexpr uint64_t kUpstreamProtocolError = 1ull << 25;           // UPE
inline constexpr uint64_t kDownstreamRemoteReset = 1ull << 26;           // DR
inline constexpr uint64_t kUnconditionalDropOverload = 1ull << 27;       // DO
}  // namespace response_flag

/** What listener filters want of the upstream connections that a downstream connection is served by. */
struct UpstreamWishes {
  /** original_src: what they are bound to, so that the upstream sees the client; port 0 leaves the port open. */
  Address source;
  /** Its SO_MARK, by which the machine routes answers back to us; 0: none. */
  uint32_t mark = 0;
  /** What the client's PROXY protocol header held, for transports that send one. */
  std::vector<ProxyTlv> proxy_tlvs;
};

/** How a connection was seen to end (%DOWNSTREAM_DETECTED_CLOSE_TYPE%). */
enum class DetectedClose : uint8_t { Normal, LocalReset, RemoteReset };

/** What few connections and streams have. */
struct StreamExtras {
  StreamExtras();
  ~StreamExtras();

  // Of connections; a stream finds its connection's through StreamInfo::connection().

  /** In lower case, from the listener filters; empty while unknown. */
  std::string requested_server_name;
  /** "tls" or "raw_buffer", found by tls_inspector; null while unknown. Static. */
  const char* transport_protocol = nullptr;
  /** What the client offers by ALPN (tls_inspector), or speaks (http_inspector). */
  std::vector<std::string> application_protocols;
  /** Fingerprints of the ClientHello, where they were asked for. */
  std::string ja3;
  std::string ja4;
  /** Null while there are none. */
  std::unique_ptr<UpstreamWishes> upstream_wishes;
  UpstreamWishes& makeUpstreamWishes();
  /** downstream_local is where the client meant to go, as a listener filter restored it. */
  bool local_address_restored = false;
  /** The socket's own address, where downstream_local is another; else Kind::None. */
  Address direct_local;
  DetectedClose detected_close = DetectedClose::Normal;
  /** Empty while it has not failed; the transport socket's text, which lives as long as the connection. */
  absl::string_view transport_failure_reason;

  // Of both, each its own.

  FilterState filter_state;
  /** Dynamic metadata; null while there is none. */
  std::unique_ptr<envoy::config::core::v3::Metadata> metadata;
};

/** Where an attempt went that another one followed. */
struct UpstreamAttempt {
  Address host;
  std::shared_ptr<const std::string> host_name;
  uint64_t connection_id = 0;
};

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
  /** All attempts but the last, which the fields above tell of. */
  std::vector<UpstreamAttempt> earlier_attempts;
  /** Null without TLS. */
  std::shared_ptr<const TlsInfo> tls;
  /** Of the cluster and of the endpoint; null when there is none. */
  std::shared_ptr<const envoy::config::core::v3::Metadata> cluster_metadata;
  std::shared_ptr<const envoy::config::core::v3::Metadata> host_metadata;
  /** From the request's wish for an upstream until the pool gave one; HTTP only. */
  std::optional<std::chrono::nanoseconds> pool_ready;
  std::optional<base::MonotonicTime> connect_start;
  std::optional<base::MonotonicTime> connect_complete;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;

  /** From the thread's free list: each HTTP request has one. */
  static void* operator new(size_t size);
  static void operator delete(void* memory);
};

/** What access logs, statistics and filters may ask of a connection or of an HTTP stream. One thread's; plain data. */
struct StreamInfo {
  /** Of a stream: its connection's, which outlives it. Null of a connection's own. */
  const StreamInfo* of_connection = nullptr;
  const StreamInfo& connection() const { return of_connection == nullptr ? *this : *of_connection; }

  base::SystemTime start_time;
  base::MonotonicTime start_monotonic;
  /** Set when the stream is over; access logs written before that take the time of writing. */
  std::optional<base::MonotonicTime> end_monotonic;
  uint64_t connection_id = 0;
  /** Of a connection they are counted by it, bytes that never pass a filter included. */
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t response_flags = 0;

  /** As listener filters may have restored it, with restoreLocal(). */
  Address downstream_local;
  /** As listener filters (PROXY protocol) may have restored it. */
  Address downstream_remote;
  /** The socket's own peer. */
  Address downstream_direct_remote;

  /** Of connections: shared with configuration; null while unknown. */
  std::shared_ptr<const std::string> filter_chain_name;
  /** Null without TLS and before its handshake is complete; the connection's, which outlives its streams. */
  const TlsInfo* downstream_tls = nullptr;
  /** The clock's beginning without TLS and before its handshake is complete. */
  base::MonotonicTime downstream_handshake_complete;
  /** Null while there are none. */
  std::unique_ptr<StreamExtras> extras;
  StreamExtras& makeExtras();
  /** From a listener filter: `meant` is where the client was going. */
  void restoreLocal(Address meant);
  /** The socket's own address, whatever listener filters restored. */
  const Address& directLocal() const;
  /** What the client asked for in its ClientHello; empty while unknown. */
  absl::string_view requestedServerName() const;
  /** Of the stream, else of its connection; null when there is none. */
  const FilterState::Object* filterState(absl::string_view name) const;

  /** Static texts only (%CONNECTION_TERMINATION_DETAILS%, %RESPONSE_CODE_DETAILS%). */
  const char* connection_termination_details = nullptr;
  const char* response_code_details = nullptr;
  /** Why we closed the connection: what Connection::close() was told first. */
  const char* local_close_reason = nullptr;

  std::unique_ptr<UpstreamInfo> upstream;
};

}  // namespace sluice::net
