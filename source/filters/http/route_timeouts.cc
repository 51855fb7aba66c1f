#include "source/filters/http/route_timeouts.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace sluice::filters {
namespace {

using http::HeaderId;
using std::chrono::milliseconds;

/** Beyond this a time is as good as none, and sums would overflow. */
constexpr milliseconds kLongest = std::chrono::hours(24 * 365 * 50);

/** Takes a header of milliseconds out of the request; a malformed one says nothing. */
std::optional<milliseconds> take(http::HeaderMap& request, HeaderId id, bool keep = false) {
  const absl::string_view text = request.get(id);
  if (text.data() == nullptr) {
    return std::nullopt;
  }
  uint64_t value = 0;
  const bool good = absl::SimpleAtoi(text, &value);
  if (!keep) {
    request.remove(id);
  }
  return good ? std::optional(milliseconds(std::min<uint64_t>(value, kLongest.count()))) : std::nullopt;
}

}  // namespace

std::optional<milliseconds> grpcTimeout(const http::HeaderMap& request) {
  const absl::string_view text = request.get(HeaderId::GrpcTimeout);
  // At most eight digits and a unit (gRPC over HTTP/2, "Timeout").
  if (text.size() < 2 || text.size() > 9) {
    return std::nullopt;
  }
  uint64_t value = 0;
  const absl::string_view digits = text.substr(0, text.size() - 1);
  if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) || !absl::SimpleAtoi(digits, &value)) {
    return std::nullopt;
  }
  // Eight digits at most, so that even hours fit.
  const auto count = static_cast<int64_t>(value);
  const auto atMost = [](milliseconds time) { return std::min(time, kLongest); };
  switch (text.back()) {
    case 'H':
      return atMost(std::chrono::hours(count));
    case 'M':
      return atMost(std::chrono::minutes(count));
    case 'S':
      return std::chrono::seconds(count);
    case 'm':
      return milliseconds(count);
    case 'u':
      return std::chrono::ceil<milliseconds>(std::chrono::microseconds(count));
    case 'n':
      return std::chrono::ceil<milliseconds>(std::chrono::nanoseconds(count));
    default:
      return std::nullopt;
  }
}

RouteTimeouts RouteTimeouts::of(const http::ForwardAction& action, http::HeaderMap& request, bool grpc,
                                bool suppress_envoy_headers, bool respect_expected) {
  RouteTimeouts out;
  out.global = action.timeout;
  if (grpc && action.max_grpc_timeout.has_value()) {
    // The client's own deadline in place of the route's, up to the most that the route allows (0: any).
    milliseconds deadline = grpcTimeout(request).value_or(milliseconds(0));
    if (action.grpc_timeout_offset.has_value() && deadline > *action.grpc_timeout_offset) {
      deadline -= *action.grpc_timeout_offset;
    }
    const milliseconds most = *action.max_grpc_timeout;
    out.global = most > milliseconds(0) && (deadline == milliseconds(0) || deadline > most) ? most : deadline;
  }
  if (action.retry != nullptr) {
    out.per_try = action.retry->per_try_timeout.value_or(milliseconds(0));
    out.per_try_idle = action.retry->per_try_idle_timeout.value_or(milliseconds(0));
  }
  out.hedge_on_per_try = action.hedge.hedge_on_per_try_timeout;
  if (const absl::string_view hedge = request.get(HeaderId::EnvoyHedgeOnPerTryTimeout); hedge.data() != nullptr) {
    out.hedge_on_per_try = hedge == "true" ? true : hedge == "false" ? false : out.hedge_on_per_try;
    request.remove(HeaderId::EnvoyHedgeOnPerTryTimeout);
  }
  std::optional<milliseconds> expected;
  if (respect_expected) {
    expected = take(request, HeaderId::EnvoyExpectedRequestTimeoutMs, true);
  }
  const std::optional<milliseconds> asked = take(request, HeaderId::EnvoyUpstreamRequestTimeoutMs);
  out.global = expected.value_or(asked.value_or(out.global));
  out.per_try = take(request, HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs).value_or(out.per_try);
  if (out.global > milliseconds(0) && out.per_try >= out.global) {
    out.per_try = milliseconds(0);
  }
  if (!suppress_envoy_headers) {
    out.writeExpected(request, milliseconds(0));
  }
  if (grpc && action.max_grpc_timeout.has_value()) {
    const milliseconds told = out.per_try > milliseconds(0) ? out.per_try : out.global;
    if (told > milliseconds(0)) {
      char text[32];
      // Eight digits at most: beyond them in seconds.
      const bool fits = told.count() < 100'000'000;
      const int64_t number = fits ? told.count() : std::min<int64_t>(told.count() / 1000, 99'999'999);
      const int size = snprintf(text, sizeof(text), "%lld%c", static_cast<long long>(number), fits ? 'm' : 'S');
      request.set(HeaderId::GrpcTimeout, absl::string_view(text, static_cast<size_t>(size)));
    } else {
      request.remove(HeaderId::GrpcTimeout);
    }
  }
  return out;
}

void RouteTimeouts::writeExpected(http::HeaderMap& request, milliseconds elapsed) const {
  // A hedged attempt goes on beyond its own time.
  milliseconds expected = hedge_on_per_try ? milliseconds(0) : per_try;
  if (global > milliseconds(0)) {
    // Never more than what is left of the whole.
    const milliseconds left = std::max(milliseconds(1), global - elapsed);
    expected = expected > milliseconds(0) ? std::min(expected, left) : left;
  }
  if (expected > milliseconds(0)) {
    request.setNumber(HeaderId::EnvoyExpectedRequestTimeoutMs, static_cast<uint64_t>(expected.count()));
  }
}

}  // namespace sluice::filters
