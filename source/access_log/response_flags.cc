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
    {flag::kNoHealthyUpstream, "UH", "NoHealthyUpstream"},
    {flag::kUpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"},
    {flag::kUpstreamOverflow, "UO", "UpstreamOverflow"},
    {flag::kNoRouteFound, "NR", "NoRouteFound"},
    {flag::kUpstreamRemoteReset, "UR", "UpstreamRemoteReset"},
    {flag::kUpstreamConnectionTermination, "UC", "UpstreamConnectionTermination"},
    {flag::kDownstreamConnectionTermination, "DC", "DownstreamConnectionTermination"},
    {flag::kNoClusterFound, "NC", "NoClusterFound"},
    {flag::kDurationTimeout, "DT", "DurationTimeout"},
    {flag::kUpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"},
    {flag::kStreamIdleTimeout, "SI", "StreamIdleTimeout"},
    {flag::kOverloadManagerTerminated, "OM", "OverloadManagerTerminated"},
};

}  // namespace

bool appendResponseFlags(uint64_t flags, FlagSpelling spelling, std::string& out) {
  bool any = false;
  for (const auto& flag : kFlags) {
    if ((flags & flag.bit) != 0) {
      if (any) {
        out += ',';
      }
      any = true;
      out += spelling == FlagSpelling::Short ? flag.short_name : flag.long_name;
    }
  }
  return any;
}

}  // namespace sluice::access_log
