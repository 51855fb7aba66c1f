#include "source/filters/http/local_rate_limit.h"

#include <atomic>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::filters {
namespace {

/** Buckets of one connection, which dies with it. */
struct ConnectionLimiter : net::FilterState::Object {
  ConnectionLimiter(const LocalRateLimitSettings& settings, base::MonotonicTime now) : limiter(settings, now) {}
  std::string serialize() const override { return {}; }
  mutable LocalRateLimiter limiter;
};

std::string nextConnectionKey() {
  static std::atomic<uint64_t> next{0};
  return absl::StrCat("local_rate_limit_per_downstream_connection.", next.fetch_add(1));
}

}  // namespace

LocalRateLimitStats::LocalRateLimitStats(stats::Scope& scope)
    : enabled(scope.counter("enabled")),
      enforced(scope.counter("enforced")),
      rate_limited(scope.counter("rate_limited")),
      ok(scope.counter("ok")) {}

LocalRateLimiter::LocalRateLimiter(const LocalRateLimitSettings& settings, base::MonotonicTime now) {
  if (settings.bucket.has_value()) {
    default_bucket_ =
        std::make_unique<TokenBucket>(settings.bucket->max_tokens, settings.bucket->tokens_per_second, now);
  }
  for (const LocalRateLimitSettings::Descriptor& descriptor : settings.descriptors) {
    buckets_.push_back(
        std::make_unique<TokenBucket>(descriptor.bucket.max_tokens, descriptor.bucket.tokens_per_second, now));
  }
}

LocalRateLimiter::Verdict LocalRateLimiter::ask(const LocalRateLimitSettings& settings,
                                                http::StreamFilterCallbacks& callbacks,
                                                const http::HeaderMap& headers) {
  const base::MonotonicTime now = callbacks.dispatcher().now();
  TokenBucket* first = nullptr;
  if (!buckets_.empty() && !settings.rules.empty()) {
    absl::InlinedVector<bool, 64> named(buckets_.size(), false);
    DescriptorKey described;
    for (const DescriptorRule& rule : settings.rules) {
      if (!rule.describe(callbacks, headers, described)) {
        continue;
      }
      const absl::string_view key(described.data(), described.size());
      for (size_t i = 0; i < buckets_.size(); ++i) {
        named[i] = named[i] || settings.descriptors[i].key == key;
      }
    }
    for (size_t i = 0; i < buckets_.size(); ++i) {
      if (!named[i]) {
        continue;
      }
      if (!buckets_[i]->take(1, now)) {
        return {false, buckets_[i].get()};
      }
      first = first == nullptr ? buckets_[i].get() : first;
    }
  }
  if (default_bucket_ == nullptr || (first != nullptr && !settings.always_default_bucket)) {
    return {true, first};
  }
  if (!default_bucket_->take(1, now)) {
    return {false, default_bucket_.get()};
  }
  return {true, first == nullptr ? default_bucket_.get() : first};
}

LocalRateLimit::LocalRateLimit(LocalRateLimitSettings settings, stats::ScopePtr scope, base::MonotonicTime now)
    : settings_(std::move(settings)),
      scope_(std::move(scope)),
      stats_(*scope_),
      connection_key_(nextConnectionKey()),
      limiter_(settings_, now) {}

LocalRateLimiter& LocalRateLimit::limiter(http::StreamFilterCallbacks& callbacks) const {
  net::Connection* connection = callbacks.connection();
  if (!settings_.per_connection || connection == nullptr) {
    return limiter_;
  }
  net::FilterState& state = connection->streamInfo().makeExtras().filter_state;
  if (const net::FilterState::Object* found = state.get(connection_key_); found != nullptr) {
    return static_cast<const ConnectionLimiter*>(found)->limiter;
  }
  auto made = std::make_shared<ConnectionLimiter>(settings_, callbacks.dispatcher().now());
  state.set(connection_key_, made);
  return made->limiter;
}

}  // namespace sluice::filters
