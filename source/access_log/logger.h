#pragma once

#include <memory>
#include <vector>

#include "source/net/stream_info.h"

namespace sluice::access_log {

/** What happened that a line is written for (%ACCESS_LOG_TYPE%). */
enum class LogType { TcpConnectionEnd, TcpUpstreamConnected, TcpPeriodic, NotSet };

/** One configured access log; built on main, immutable, shared; log() on any worker. */
class AccessLogger {
 public:
  virtual ~AccessLogger() = default;
  virtual void log(const net::StreamInfo& info, LogType type) const = 0;
};

using AccessLoggers = std::vector<std::shared_ptr<const AccessLogger>>;

}  // namespace sluice::access_log
