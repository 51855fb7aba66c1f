#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/access_log/logger.h"
#include "source/http/filter_entry.h"
#include "source/http/request_headers.h"

namespace sluice::http {

class LocalReplyConfig;

enum class CodecType : uint8_t { Auto, Http1, Http2 };

/** What becomes of upgrades and CONNECT, by the type that is asked for ("websocket", "connect" in lower case). */
struct UpgradeSettings {
  std::string type;
  bool enabled = true;
  /** Unset: the connection manager's own chain. */
  std::optional<std::vector<NamedFilter>> filters;
};

enum class ServerHeader : uint8_t { Overwrite, AppendIfAbsent, PassThrough };

/** What an HttpConnectionManager message says, as plain data, but for its codecs' options. Immutable. */
struct ConnectionManagerSettings {
  CodecType codec = CodecType::Auto;
  std::string stat_prefix;

  RequestHeaderSettings request;
  std::string server_name = "envoy";
  ServerHeader server_header = ServerHeader::Overwrite;
  bool always_set_request_id_in_response = false;
  bool proxy_100_continue = false;
  bool accept_http_10 = false;
  std::string default_host_for_http_10;
  /** As on the wire: the stream ends and the connection stays, where the protocol lets it. */
  bool stream_error_on_invalid_message = false;

  // Zero or unset: none.
  std::optional<std::chrono::milliseconds> request_timeout;
  std::optional<std::chrono::milliseconds> request_headers_timeout;
  std::optional<std::chrono::milliseconds> stream_idle_timeout;
  std::optional<std::chrono::milliseconds> max_stream_duration;
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> max_connection_duration;
  std::chrono::milliseconds drain_timeout{5000};
  std::chrono::milliseconds delayed_close_timeout{1000};
  /** Zero: no limit. */
  uint32_t max_requests_per_connection = 0;
  bool http1_safe_max_connection_duration = false;
  /** HTTP/2's initial stream window: what a stream may buffer. */
  uint32_t http2_stream_buffer_limit = 16 * 1024 * 1024;

  std::vector<NamedFilter> filters;
  std::vector<UpgradeSettings> upgrades;
  /** Null: local replies stay as they are. */
  std::shared_ptr<const LocalReplyConfig> local_replies;

  access_log::AccessLoggers access_logs;
  bool log_on_new_request = false;
  bool log_on_tunnel_established = false;
  std::optional<std::chrono::milliseconds> log_interval;
};

}  // namespace sluice::http
