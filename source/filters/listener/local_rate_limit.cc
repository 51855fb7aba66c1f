#include "source/filters/listener/local_rate_limit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit.pb.h"

#include "source/base/logging.h"
#include "source/config/duration.h"
#include "source/filters/http/token_bucket.h"
#include "source/filters/listener/filter_config.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::listener::local_ratelimit::v3::LocalRateLimit;

/** The listener's one bucket; all workers take from it. */
class LocalRateLimitConfig final : public ListenerFilterSettings {
 public:
  LocalRateLimitConfig(uint32_t max_tokens, double tokens_per_second, base::MonotonicTime now, bool enabled,
                       stats::ScopePtr scope)
      : enabled_(enabled),
        scope_(std::move(scope)),
        rate_limited_(scope_->counter("rate_limited")),
        bucket_(max_tokens, tokens_per_second, now) {}
  std::unique_ptr<net::ListenerFilter> create() const override;

  /** False, counted, when the connection is one too many. */
  bool admit(base::MonotonicTime now) const {
    if (!enabled_ || bucket_.take(1, now)) {
      return true;
    }
    rate_limited_.inc();
    return false;
  }

 private:
  const bool enabled_;
  const stats::ScopePtr scope_;
  const stats::Counter rate_limited_;
  mutable TokenBucket bucket_;
};

class LocalRateLimit final : public net::ListenerFilter {
 public:
  explicit LocalRateLimit(const LocalRateLimitConfig& config) : config_(config) {}

  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    if (config_.admit(callbacks.dispatcher().now())) {
      return net::FilterStatus::Continue;
    }
    LOG_TRACE(filter, "closing a connection from {}: more come than its listener's rate limit allows",
              callbacks.streamInfo().downstream_remote.toString());
    callbacks.continueFilterChain(false);
    return net::FilterStatus::StopIteration;
  }
  size_t maxReadBytes() const override { return 0; }
  net::FilterStatus onData(absl::string_view, bool, size_t&) override { return net::FilterStatus::Continue; }

 private:
  const LocalRateLimitConfig& config_;
};

std::unique_ptr<net::ListenerFilter> LocalRateLimitConfig::create() const {
  return std::make_unique<LocalRateLimit>(*this);
}

class LocalRateLimitFactory final : public listener::ListenerFilterFactory {
 public:
  LocalRateLimitFactory(event::Dispatcher& main, stats::ScopePtr root, const runtime::Snapshot& runtime)
      : main_(main), root_(std::move(root)), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message& message,
                                                          const config::FieldPath& path, listener::FactoryContext&,
                                                          config::Violations& violations) const override {
    constexpr int64_t kLeastInterval = 50'000'000;
    const auto& proto = static_cast<const Proto&>(message);
    const auto& bucket = proto.token_bucket();
    const int64_t interval = config::toNanoseconds(bucket.fill_interval());
    if (interval < kLeastInterval) {
      violations.add(path.field("token_bucket").field("fill_interval"), "must be at least 0.05s");
      return nullptr;
    }
    const uint32_t tokens = bucket.has_tokens_per_fill() ? bucket.tokens_per_fill().value() : 1;
    const bool enabled = !proto.has_runtime_enabled() || runtime::resolve(proto.runtime_enabled(), runtime_);
    return std::make_shared<const LocalRateLimitConfig>(
        bucket.max_tokens(), tokens * 1e9 / static_cast<double>(interval), main_.now(), enabled,
        root_->createScope(absl::StrCat("listener_local_ratelimit.", proto.stat_prefix())));
  }

 private:
  event::Dispatcher& main_;
  const stats::ScopePtr root_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<listener::ListenerFilterFactory> listenerLocalRateLimitFactory(event::Dispatcher& main,
                                                                               stats::ScopePtr root,
                                                                               const runtime::Snapshot& runtime) {
  return std::make_unique<LocalRateLimitFactory>(main, std::move(root), runtime);
}

}  // namespace sluice::filters
