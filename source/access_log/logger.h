#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/net/stream_info.h"

namespace sluice::http {
struct StreamInfo;
}

namespace sluice::access_log {

/** What happened that a line is written for (%ACCESS_LOG_TYPE%). */
enum class LogType : uint8_t {
  NotSet,
  TcpUpstreamConnected,
  TcpPeriodic,
  TcpConnectionEnd,
  DownstreamStart,
  DownstreamPeriodic,
  DownstreamEnd,
  UpstreamPoolReady,
  UpstreamPeriodic,
  UpstreamEnd,
  DownstreamTunnelSuccessfullyEstablished,
};

/** As it is printed, and as log_type_filter names it. */
absl::string_view logTypeName(LogType type);

/** What a line is made of. It lives as long as the call that gets it. */
struct LogContext {
  /** `http`, where there is one. */
  const net::StreamInfo& info;
  LogType type = LogType::NotSet;
  /** Null for a connection that is not HTTP's. */
  const http::StreamInfo* http = nullptr;
  /** While a local reply's body is made: what it would be without its format (%LOCAL_REPLY_BODY%). */
  absl::string_view local_reply_body = {};
};

/** One configured access log; built on main, immutable, shared; log() on any worker. */
class AccessLogger {
 public:
  virtual ~AccessLogger() = default;
  virtual void log(const LogContext& context) const = 0;
};

using AccessLoggers = std::vector<std::shared_ptr<const AccessLogger>>;

}  // namespace sluice::access_log
