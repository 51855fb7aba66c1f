#include "source/access_log/response_flags.h"

#include "source/net/stream_info.h"

namespace sluice::access_log {
namespace {

namespace flag = net::response_flag;

constexpr struct {
  uint64_t bit;
  const char* short_name;
  const char* long_name;
} kFlags[] = {
    // In Envoy's order. Those without a bit are never set here, but a filter may name them.
    {flag::kFailedLocalHealthCheck, "LH", "FailedLocalHealthCheck"},
    {flag::kNoHealthyUpstream, "UH", "NoHealthyUpstream"},
    {flag::kUpstreamRequestTimeout, "UT", "UpstreamRequestTimeout"},
    {flag::kLocalReset, "LR", "LocalReset"},
    {flag::kUpstreamRemoteReset, "UR", "UpstreamRemoteReset"},
    {flag::kUpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"},
    {flag::kUpstreamConnectionTermination, "UC", "UpstreamConnectionTermination"},
    {flag::kUpstreamOverflow, "UO", "UpstreamOverflow"},
    {flag::kNoRouteFound, "NR", "NoRouteFound"},
    {flag::kDelayInjected, "DI", "DelayInjected"},
    {flag::kFaultInjected, "FI", "FaultInjected"},
    {flag::kRateLimited, "RL", "RateLimited"},
    {flag::kUnauthorizedExternalService, "UAEX", "UnauthorizedExternalService"},
    {flag::kRateLimitServiceError, "RLSE", "RateLimitServiceError"},
    {flag::kDownstreamConnectionTermination, "DC", "DownstreamConnectionTermination"},
    {flag::kUpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"},
    {flag::kStreamIdleTimeout, "SI", "StreamIdleTimeout"},
    {flag::kInvalidRequestHeaders, "IH", "InvalidEnvoyRequestHeaders"},
    {flag::kDownstreamProtocolError, "DPE", "DownstreamProtocolError"},
    {flag::kUpstreamMaxStreamDuration, "UMSDR", "UpstreamMaxStreamDurationReached"},
    {flag::kResponseFromCache, "RFCF", "ResponseFromCacheFilter"},
    {flag::kNoFilterConfigFound, "NFCF", "NoFilterConfigFound"},
    {flag::kDurationTimeout, "DT", "DurationTimeout"},
    {flag::kUpstreamProtocolError, "UPE", "UpstreamProtocolError"},
    {flag::kNoClusterFound, "NC", "NoClusterFound"},
    {flag::kOverloadManagerTerminated, "OM", "OverloadManagerTerminated"},
    {0, "DF", "DnsResolutionFailed"},
    {0, "DO", "DropOverload"},
    {flag::kDownstreamRemoteReset, "DR", "DownstreamRemoteReset"},
    {flag::kUnconditionalDropOverload, "UDO", "UnconditionalDropOverload"},
};

}  // namespace

bool appendResponseFlags(uint64_t flags, FlagSpelling spelling, std::string& out, bool of_request) {
  bool any = false;
  const auto append = [&](uint64_t wanted) {
    for (const auto& flag : kFlags) {
      if ((wanted & flag.bit) != 0) {
        if (any) {
          out += ',';
        }
        any = true;
        out += spelling == FlagSpelling::Short ? flag.short_name : flag.long_name;
      }
    }
  };
  // Envoy's are in the order in which they came about: of a request, that there is no further retry is known before what
  // made the last one fail is noted.
  const uint64_t first = of_request ? flags & flag::kUpstreamRetryLimitExceeded : 0;
  append(first);
  append(flags & ~first);
  return any;
}

std::optional<uint64_t> responseFlagBit(absl::string_view short_name) {
  for (const auto& flag : kFlags) {
    if (flag.short_name == short_name) {
      return flag.bit;
    }
  }
  return std::nullopt;
}

}  // namespace sluice::access_log
