#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/event/dispatcher.h"
#include "source/filters/common/header_rules.h"
#include "source/filters/http/factory.h"
#include "source/filters/http/rate_limit_descriptors.h"
#include "source/filters/http/token_bucket.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.http.local_ratelimit. */
std::unique_ptr<HttpFilterFactory> localRateLimitFactory(event::Dispatcher& main, stats::ScopePtr root,
                                                         const ConfigTools& tools);

/** <stat_prefix>.http_local_rate_limit.* */
struct LocalRateLimitStats {
  explicit LocalRateLimitStats(stats::Scope& scope);
  stats::Counter enabled;
  stats::Counter enforced;
  stats::Counter rate_limited;
  stats::Counter ok;
};

/** How a bucket is filled. */
struct BucketSize {
  uint32_t max_tokens = 0;
  double tokens_per_second = 0;
};

/** What a LocalRateLimit message says, as plain data. */
struct LocalRateLimitSettings {
  std::string stat_prefix;
  uint32_t status = 429;
  /** None: only descriptors limit. */
  std::optional<BucketSize> bucket;
  struct Descriptor {
    std::string key;
    BucketSize bucket;
  };
  /** Slowest first, which is the order of asking. */
  std::vector<Descriptor> descriptors;
  std::vector<DescriptorRule> rules;
  runtime::Fraction enabled{0, 100};
  runtime::Fraction enforced{0, 100};
  /** Null when there are none. */
  std::shared_ptr<const http::HeaderMutations> request_headers;
  std::shared_ptr<const http::HeaderMutations> response_headers;
  bool per_connection = false;
  bool rate_limit_headers = false;
  bool always_default_bucket = true;
  bool resource_exhausted = false;
};

/** The buckets of one configuration, or of one connection; shared by all threads. */
class LocalRateLimiter {
 public:
  LocalRateLimiter(const LocalRateLimitSettings& settings, base::MonotonicTime now);

  struct Verdict {
    bool allowed = true;
    /** The one that decided, for x-ratelimit-*; null when none was asked. */
    const TokenBucket* bucket = nullptr;
  };
  /** Takes a token of each bucket that the request's descriptors name, and of the default one. */
  Verdict ask(const LocalRateLimitSettings& settings, http::StreamFilterCallbacks& callbacks,
              const http::HeaderMap& headers);

 private:
  std::unique_ptr<TokenBucket> default_bucket_;
  /** As LocalRateLimitSettings::descriptors. */
  std::vector<std::unique_ptr<TokenBucket>> buckets_;
};

/** The limits of one chain's filter or of one route: settings, buckets, statistics. Made on main; shared. */
class LocalRateLimit : public http::PerRouteConfig {
 public:
  LocalRateLimit(LocalRateLimitSettings settings, stats::ScopePtr scope, base::MonotonicTime now);

  const LocalRateLimitSettings& settings() const { return settings_; }
  const LocalRateLimitStats& stats() const { return stats_; }
  /** The process's, or that of the stream's connection, which is made with first use. */
  LocalRateLimiter& limiter(http::StreamFilterCallbacks& callbacks) const;

 private:
  const LocalRateLimitSettings settings_;
  const stats::ScopePtr scope_;
  const LocalRateLimitStats stats_;
  /** In a connection's filter state. */
  const std::string connection_key_;
  mutable LocalRateLimiter limiter_;
};

}  // namespace sluice::filters
