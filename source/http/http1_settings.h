#pragma once

#include <cstdint>
#include <string>

#include "source/stats/stats.h"

namespace sluice::http {

enum class UnderscoreAction : uint8_t { Allow, Reject, Drop };
enum class HeaderCase : uint8_t {
  Lower,
  /** "Content-Type". */
  Proper,
  /** As the other side wrote them, where it is known (Header::original_name). */
  Preserve,
};

/**
 * How one side speaks HTTP/1: http_protocol_options and what common_http_protocol_options say of headers. Immutable while
 * a codec uses it.
 */
struct Http1Settings {
  /** Take :authority and :path out of targets such as "http://host/path". */
  bool allow_absolute_url = true;
  bool accept_http_10 = false;
  /** :authority of HTTP/1.0 requests that have none. */
  std::string default_host;
  /** Off: trailers are dropped, both ways. */
  bool enable_trailers = false;
  /** Content-Length beside chunked is dropped rather than refused. */
  bool allow_chunked_length = false;
  /** A refused request whose end is known all the same leaves the connection open. */
  bool stream_error_on_invalid_http_message = false;
  /** Clients: "GET http://host/path" on the wire. */
  bool send_fully_qualified_url = false;
  HeaderCase header_case = HeaderCase::Lower;
  UnderscoreAction underscores = UnderscoreAction::Allow;
  /** The start line and all fields, with what is between them. */
  uint32_t max_headers_kb = 60;
  uint32_t max_headers_count = 100;
};

/** Envoy's `http1.` statistics. */
struct Http1Stats {
  stats::Counter dropped_headers_with_underscores;
  stats::Counter requests_rejected_with_underscores_in_headers;
  stats::Counter metadata_not_supported_error;
  /** Never counts: a client that reads no answers is not read from either, so that none pile up. */
  stats::Counter response_flood;
};

}  // namespace sluice::http
