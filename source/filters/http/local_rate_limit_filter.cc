#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"

#include "source/config/duration.h"
#include "source/filters/common/drawn.h"
#include "source/filters/http/local_rate_limit.h"
#include "source/filters/http/pass_through.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using http::HeaderMap;
using http::HeadersStatus;
using Proto = envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;

constexpr uint32_t kGrpcResourceExhausted = 8;
constexpr int64_t kShortestFillMs = 50;

/** Asks its route's limits, or the chain's, for leave. */
class LocalRateLimitFilter final : public PassThroughFilter {
 public:
  explicit LocalRateLimitFilter(const LocalRateLimit& limit) : limit_(&limit) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    if (const auto* route = static_cast<const LocalRateLimit*>(decoder_->perRouteConfig()); route != nullptr) {
      limit_ = route;
    }
    const LocalRateLimitSettings& settings = limit_->settings();
    if (!drawn(settings.enabled)) {
      return HeadersStatus::Continue;
    }
    limit_->stats().enabled.inc();
    const LocalRateLimiter::Verdict verdict = limit_->limiter(*decoder_).ask(settings, *decoder_, headers);
    bucket_ = verdict.bucket;
    if (verdict.allowed) {
      limit_->stats().ok.inc();
      return HeadersStatus::Continue;
    }
    limit_->stats().rate_limited.inc();
    if (!drawn(settings.enforced)) {
      if (settings.request_headers != nullptr) {
        settings.request_headers->apply(headers, formatContext(decoder_->streamInfo()));
      }
      return HeadersStatus::Continue;
    }
    limit_->stats().enforced.inc();
    decoder_->streamInfo().response_flags |= net::response_flag::kRateLimited;
    http::LocalReply reply;
    reply.status = settings.status;
    reply.body = "local_rate_limited";
    reply.details = "local_rate_limited";
    if (settings.resource_exhausted) {
      reply.grpc_status = kGrpcResourceExhausted;
    }
    if (settings.response_headers != nullptr) {
      reply.modify_headers = [this](HeaderMap& response) {
        limit_->settings().response_headers->apply(response, formatContext(decoder_->streamInfo()));
      };
    }
    decoder_->sendLocalReply(reply);
    return HeadersStatus::StopIteration;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool) override {
    if (bucket_ != nullptr && limit_->settings().rate_limit_headers) {
      const base::MonotonicTime now = encoder_->dispatcher().now();
      set(headers, "x-ratelimit-limit", bucket_->maxTokens());
      set(headers, "x-ratelimit-remaining", bucket_->remaining(now));
      set(headers, "x-ratelimit-reset", static_cast<uint64_t>(std::ceil(bucket_->secondsToNext(now))));
    }
    return HeadersStatus::Continue;
  }

 private:
  static void set(HeaderMap& headers, absl::string_view name, uint64_t value) {
    char digits[absl::numbers_internal::kFastToBufferSize];
    const char* end = absl::numbers_internal::FastIntToBuffer(value, digits);
    headers.set(name, absl::string_view(digits, static_cast<size_t>(end - digits)));
  }

  const LocalRateLimit* limit_;
  /** The configuration's or the connection's, both of which outlive the stream. */
  const TokenBucket* bucket_ = nullptr;
};

class LocalRateLimitConfig : public http::HttpFilterConfig {
 public:
  LocalRateLimitConfig(LocalRateLimitSettings settings, stats::ScopePtr scope, base::MonotonicTime now)
      : limit_(std::move(settings), std::move(scope), now) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addFilter(*chain.arena().make<LocalRateLimitFilter>(limit_));
  }

 private:
  const LocalRateLimit limit_;
};

BucketSize readBucket(const envoy::type::v3::TokenBucket& proto, const config::FieldPath& path,
                      config::Violations& violations) {
  const int64_t fill = config::toMilliseconds(proto.fill_interval());
  if (fill < kShortestFillMs) {
    violations.add(path.field("fill_interval"), "must be at least 50 ms");
    return {};
  }
  const uint32_t tokens = proto.has_tokens_per_fill() ? proto.tokens_per_fill().value() : 1;
  return {proto.max_tokens(), tokens * 1000.0 / static_cast<double>(fill)};
}

class LocalRateLimitFactory : public HttpFilterFactory {
 public:
  LocalRateLimitFactory(event::Dispatcher& main, stats::ScopePtr root, const ConfigTools& tools)
      : main_(main), root_(std::move(root)), tools_(tools) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return messageName(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext&,
                                                       config::Violations& violations) const override {
    const size_t mistakes = violations.size();
    LocalRateLimitSettings settings = read(static_cast<const Proto&>(message), path, violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    stats::ScopePtr scope = scopeOf(settings);
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<LocalRateLimitConfig>(std::move(settings), std::move(scope), main_.now()));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    LocalRateLimitSettings settings = read(proto, path, violations);
    if (!proto.has_token_bucket()) {
      violations.add(path.field("token_bucket"), "must be set in a route's settings");
    }
    if (violations.size() != mistakes) {
      return nullptr;
    }
    stats::ScopePtr scope = scopeOf(settings);
    return event::ownedBy<const http::PerRouteConfig>(
        main_, std::make_unique<LocalRateLimit>(std::move(settings), std::move(scope), main_.now()));
  }

 private:
  stats::ScopePtr scopeOf(const LocalRateLimitSettings& settings) const {
    return root_->createScope(absl::StrCat(settings.stat_prefix, ".http_local_rate_limit"));
  }

  LocalRateLimitSettings read(const Proto& proto, const config::FieldPath& path, config::Violations& violations) const {
    LocalRateLimitSettings out;
    out.stat_prefix = proto.stat_prefix();
    // Envoy takes a code that is no error for a mistake, too, and answers 429.
    const auto status = static_cast<uint32_t>(proto.status().code());
    out.status = status >= 400 ? status : 429;
    if (proto.has_token_bucket()) {
      out.bucket = readBucket(proto.token_bucket(), path.field("token_bucket"), violations);
    }
    for (int i = 0; i < proto.descriptors_size(); ++i) {
      readDescriptor(proto.descriptors(i), path.field("descriptors").index(i), out, violations);
    }
    std::stable_sort(out.descriptors.begin(), out.descriptors.end(), [](const auto& a, const auto& b) {
      return a.bucket.tokens_per_second < b.bucket.tokens_per_second;
    });
    for (int i = 0; i < proto.rate_limits_size(); ++i) {
      out.rules.push_back(
          DescriptorRule::read(proto.rate_limits(i), tools_.runtime, path.field("rate_limits").index(i), violations));
    }
    if (proto.has_filter_enabled()) {
      out.enabled = runtime::resolve(proto.filter_enabled(), tools_.runtime);
    }
    if (proto.has_filter_enforced()) {
      out.enforced = runtime::resolve(proto.filter_enforced(), tools_.runtime);
    }
    out.request_headers = readHeaderOptions(proto.request_headers_to_add_when_not_enforced(), tools_,
                                            path.field("request_headers_to_add_when_not_enforced"), violations);
    out.response_headers =
        readHeaderOptions(proto.response_headers_to_add(), tools_, path.field("response_headers_to_add"), violations);
    out.per_connection = proto.local_rate_limit_per_downstream_connection();
    out.rate_limit_headers =
        proto.enable_x_ratelimit_headers() == envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03;
    out.always_default_bucket =
        !proto.has_always_consume_default_token_bucket() || proto.always_consume_default_token_bucket().value();
    out.resource_exhausted = proto.rate_limited_as_resource_exhausted();
    return out;
  }

  static void readDescriptor(const envoy::extensions::common::ratelimit::v3::LocalRateLimitDescriptor& proto,
                             const config::FieldPath& path, LocalRateLimitSettings& out,
                             config::Violations& violations) {
    LocalRateLimitSettings::Descriptor made;
    made.bucket = readBucket(proto.token_bucket(), path.field("token_bucket"), violations);
    DescriptorKey key;
    for (int i = 0; i < proto.entries_size(); ++i) {
      if (proto.entries(i).value().empty()) {
        violations.add(path.field("entries").index(i).field("value"),
                       "must not be empty: descriptors that stand for any value are not supported");
      }
      appendEntry(key, proto.entries(i).key(), proto.entries(i).value());
    }
    made.key.assign(key.data(), key.size());
    for (const LocalRateLimitSettings::Descriptor& other : out.descriptors) {
      if (other.key == made.key) {
        violations.add(path, "has the entries of another descriptor");
      }
    }
    out.descriptors.push_back(std::move(made));
  }

  event::Dispatcher& main_;
  const stats::ScopePtr root_;
  const ConfigTools tools_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> localRateLimitFactory(event::Dispatcher& main, stats::ScopePtr root,
                                                         const ConfigTools& tools) {
  return std::make_unique<LocalRateLimitFactory>(main, std::move(root), tools);
}

}  // namespace sluice::filters
