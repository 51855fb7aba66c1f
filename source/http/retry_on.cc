#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

#include "source/http/route.h"

namespace sluice::http::retry_on {
namespace {

struct Word {
  absl::string_view text;
  uint32_t bit;
};

constexpr Word kHttpWords[] = {
    {"5xx", k5xx},
    {"gateway-error", kGatewayError},
    {"reset", kReset},
    {"reset-before-request", kResetBeforeRequest},
    {"connect-failure", kConnectFailure},
    {"envoy-ratelimited", kEnvoyRateLimited},
    {"retriable-4xx", kRetriable4xx},
    {"refused-stream", kRefusedStream},
    {"retriable-status-codes", kRetriableStatusCodes},
    {"retriable-headers", kRetriableHeaders},
    {"http3-post-connect-failure", kHttp3PostConnectFailure},
};

constexpr Word kGrpcWords[] = {
    {"cancelled", kGrpcCancelled},     {"deadline-exceeded", kGrpcDeadlineExceeded},
    {"internal", kGrpcInternal},       {"resource-exhausted", kGrpcResourceExhausted},
    {"unavailable", kGrpcUnavailable},
};

template <size_t kCount>
uint32_t bitOf(const Word (&words)[kCount], absl::string_view text) {
  for (const Word& word : words) {
    if (word.text == text) {
      return word.bit;
    }
  }
  return 0;
}

}  // namespace

uint32_t parse(absl::string_view list, bool grpc, std::vector<std::string>* unknown) {
  uint32_t bits = 0;
  for (absl::string_view item : absl::StrSplit(list, ',')) {
    item = absl::StripAsciiWhitespace(item);
    if (item.empty()) {
      continue;
    }
    const uint32_t bit = grpc ? bitOf(kGrpcWords, item) : bitOf(kHttpWords, item);
    if (bit == 0 && unknown != nullptr) {
      unknown->emplace_back(item);
    }
    bits |= bit;
  }
  return bits;
}

}  // namespace sluice::http::retry_on
