#include "source/access_log/logger.h"

namespace sluice::access_log {

absl::string_view logTypeName(LogType type) {
  switch (type) {
    case LogType::NotSet:
      return "NotSet";
    case LogType::TcpUpstreamConnected:
      return "TcpUpstreamConnected";
    case LogType::TcpPeriodic:
      return "TcpPeriodic";
    case LogType::TcpConnectionEnd:
      return "TcpConnectionEnd";
    case LogType::DownstreamStart:
      return "DownstreamStart";
    case LogType::DownstreamPeriodic:
      return "DownstreamPeriodic";
    case LogType::DownstreamEnd:
      return "DownstreamEnd";
    case LogType::UpstreamPoolReady:
      return "UpstreamPoolReady";
    case LogType::UpstreamPeriodic:
      return "UpstreamPeriodic";
    case LogType::UpstreamEnd:
      return "UpstreamEnd";
    case LogType::DownstreamTunnelSuccessfullyEstablished:
      return "DownstreamTunnelSuccessfullyEstablished";
  }
  return "NotSet";
}

}  // namespace sluice::access_log
