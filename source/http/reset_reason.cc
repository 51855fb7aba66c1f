#include "source/http/codec.h"

namespace sluice::http {

absl::string_view resetReasonName(ResetReason reason) {
  switch (reason) {
    case ResetReason::Local:
      return "local_reset";
    case ResetReason::LocalRefused:
      return "local_refused_stream_reset";
    case ResetReason::LocalNoError:
      return "local_no_error_reset";
    case ResetReason::Remote:
      return "remote_reset";
    case ResetReason::RemoteRefused:
      return "remote_refused_stream_reset";
    case ResetReason::ConnectionFailure:
      return "connection_failure";
    case ResetReason::ConnectionTimeout:
      return "connection_timeout";
    case ResetReason::ConnectionTermination:
      return "connection_termination";
    case ResetReason::Overflow:
      return "overflow";
    case ResetReason::ProtocolError:
      return "protocol_error";
  }
  return "";
}

}  // namespace sluice::http
