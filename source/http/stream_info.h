#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

#include "source/http/codec.h"
#include "source/http/header_map.h"
#include "source/net/stream_info.h"

namespace sluice::http {

struct Route;
struct VirtualHost;
struct WeightedCluster;

/**
 * What is known of one HTTP stream: made with it as a copy of what is known of its connection. Views are static or in the
 * stream's arena. One thread; plain data.
 */
struct StreamInfo : net::StreamInfo {
  Protocol protocol = Protocol::Http11;
  /** Protocol of the upstream connection; none before one is chosen. */
  std::optional<Protocol> upstream_protocol;
  /** 0 while there is none. */
  uint32_t response_code = 0;
  /** Why the response is what it is ("via_upstream"); replaces response_code_details of the connection's. */
  absl::string_view details;
  /** Of the request as it came: a copy where the maps below have been changed since. */
  absl::string_view original_path;
  absl::string_view request_id;

  /** As they were last seen by filters; null while there are none. */
  const HeaderMap* request_headers = nullptr;
  const HeaderMap* request_trailers = nullptr;
  const HeaderMap* response_headers = nullptr;
  const HeaderMap* response_trailers = nullptr;

  /** Null while none is chosen, or none matched. The stream pins the table. */
  const Route* route = nullptr;
  const VirtualHost* virtual_host = nullptr;
  /** The one that was picked where the route has several: its filter settings and header mutations are the most specific. */
  const WeightedCluster* weighted_cluster = nullptr;
  absl::string_view virtual_cluster;

  /** Drawn once for the stream. */
  uint64_t random = 0;
  uint32_t attempt_count = 0;
  bool health_check = false;
  bool grpc = false;
  bool shadow = false;
  /** x-request-id sampling and tracing headers decided that this one is traced. */
  bool trace = false;

  /** bytes_received and bytes_sent (net::StreamInfo) are those of bodies; these are on the wire. */
  uint64_t downstream_wire_bytes_received = 0;
  uint64_t downstream_wire_bytes_sent = 0;
  uint64_t downstream_header_bytes_received = 0;
  uint64_t downstream_header_bytes_sent = 0;
  uint64_t upstream_wire_bytes_received = 0;
  uint64_t upstream_wire_bytes_sent = 0;
  uint64_t upstream_header_bytes_received = 0;
  uint64_t upstream_header_bytes_sent = 0;

  std::optional<base::MonotonicTime> last_downstream_rx_byte;
  std::optional<base::MonotonicTime> first_upstream_tx_byte;
  std::optional<base::MonotonicTime> last_upstream_tx_byte;
  std::optional<base::MonotonicTime> first_upstream_rx_byte;
  std::optional<base::MonotonicTime> first_upstream_rx_body;
  std::optional<base::MonotonicTime> last_upstream_rx_byte;
  std::optional<base::MonotonicTime> first_downstream_tx_byte;
  std::optional<base::MonotonicTime> last_downstream_tx_byte;
};

}  // namespace sluice::http
