#include "source/http/access_log_filters.h"

#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"

#include "source/access_log/state_operators.h"
#include "source/base/random.h"
#include "source/http/access_log_operators.h"
#include "source/http/header_matcher.h"
#include "source/http/stream_info.h"
#include "source/matcher/config.h"
#include "source/matcher/metadata_matcher.h"

namespace sluice::http {
namespace {

using access_log::Comparison;
using access_log::LogContext;
using access_log::LogFilter;
using access_log::LogFilterPtr;
using envoy::config::accesslog::v3::AccessLogFilter;

/** A connection that is not HTTP's counts as 0, as its response code is printed. */
class StatusCodeFilter : public LogFilter {
 public:
  explicit StatusCodeFilter(Comparison comparison) : comparison_(comparison) {}
  bool matches(const LogContext& context) const override {
    return comparison_.holds(context.http == nullptr ? 0 : context.http->response_code);
  }

 private:
  const Comparison comparison_;
};

class NotHealthCheckFilter : public LogFilter {
 public:
  bool matches(const LogContext& context) const override {
    return context.http == nullptr || !context.http->health_check;
  }
};

class TraceableFilter : public LogFilter {
 public:
  bool matches(const LogContext& context) const override {
    return context.http != nullptr && !context.http->health_check && context.http->trace;
  }
};

/** A share of requests, by their x-request-id: all who sample by it choose the same ones. */
class RequestShareFilter : public LogFilter {
 public:
  explicit RequestShareFilter(runtime::Fraction share) : share_(share) {}
  bool matches(const LogContext& context) const override {
    uint32_t id = 0;
    const bool by_id = context.http != nullptr && context.http->request_id.size() >= 8 &&
                       absl::SimpleHexAtoi(context.http->request_id.substr(0, 8), &id);
    return share_.contains(by_id ? id : base::threadRandom().next());
  }

 private:
  const runtime::Fraction share_;
};

class GrpcStatusFilter : public LogFilter {
 public:
  GrpcStatusFilter(uint32_t statuses, bool exclude) : statuses_(statuses), exclude_(exclude) {}
  bool matches(const LogContext& context) const override {
    // Without a status it counts as UNKNOWN.
    const uint32_t status = (context.http == nullptr ? std::nullopt : grpcStatus(*context.http)).value_or(2);
    return (status < 32 && (statuses_ >> status & 1) != 0) != exclude_;
  }

 private:
  /** A bit for each status. */
  const uint32_t statuses_;
  const bool exclude_;
};

class HeaderFilter : public LogFilter {
 public:
  explicit HeaderFilter(HeaderMatcher matcher) : matcher_(std::move(matcher)) {}
  bool matches(const LogContext& context) const override {
    if (context.http != nullptr && context.http->request_headers != nullptr) {
      return matcher_.matches(*context.http->request_headers);
    }
    base::Arena arena;
    return matcher_.matches(HeaderMap(arena));
  }

 private:
  const HeaderMatcher matcher_;
};

/** Of dynamic metadata. */
class MetadataFilter : public LogFilter {
 public:
  MetadataFilter(matcher::MetadataMatcher matcher, bool match_if_missing)
      : matcher_(std::move(matcher)), match_if_missing_(match_if_missing) {
    present_.filter = matcher_.filter;
    present_.path = matcher_.path;
  }
  bool matches(const LogContext& context) const override {
    const auto* const metadata = access_log::dynamicMetadata(context);
    return present_.matches(metadata) ? matcher_.matches(metadata) : match_if_missing_;
  }

 private:
  const matcher::MetadataMatcher matcher_;
  /** Whether there is a value at all. */
  matcher::MetadataMatcher present_;
  const bool match_if_missing_;
};

matcher::RegexLimit regexLimit(const access_log::LogFilterFactory::Runtime& runtime) {
  return runtime == nullptr ? matcher::RegexLimit() : matcher::RegexLimit::of(*runtime);
}

}  // namespace

LogFilterPtr makeAccessLogFilter(const AccessLogFilter& config, const access_log::LogFilterFactory::Runtime& runtime,
                                 const config::FieldPath& path, config::Violations& violations) {
  switch (config.filter_specifier_case()) {
    case AccessLogFilter::kStatusCodeFilter:
      return std::make_shared<const StatusCodeFilter>(Comparison(config.status_code_filter().comparison(), runtime));
    case AccessLogFilter::kNotHealthCheckFilter:
      return std::make_shared<const NotHealthCheckFilter>();
    case AccessLogFilter::kTraceableFilter:
      return std::make_shared<const TraceableFilter>();
    case AccessLogFilter::kRuntimeFilter:
      return std::make_shared<const RequestShareFilter>(access_log::sampledShare(config.runtime_filter(), runtime));
    case AccessLogFilter::kGrpcStatusFilter: {
      uint32_t statuses = 0;
      for (const int status : config.grpc_status_filter().statuses()) {
        statuses |= 1u << static_cast<uint32_t>(status);
      }
      return std::make_shared<const GrpcStatusFilter>(statuses, config.grpc_status_filter().exclude());
    }
    case AccessLogFilter::kHeaderFilter:
      return std::make_shared<const HeaderFilter>(
          HeaderMatcher::create(config.header_filter().header(), regexLimit(runtime),
                                path.field("header_filter").field("header"), violations));
    case AccessLogFilter::kMetadataFilter: {
      const auto& filter = config.metadata_filter();
      return std::make_shared<const MetadataFilter>(
          matcher::toMetadataMatcher(filter.matcher(), regexLimit(runtime),
                                     path.field("metadata_filter").field("matcher"), violations),
          !filter.has_match_if_key_not_found() || filter.match_if_key_not_found().value());
    }
    default:
      violations.add(path, "this filter is not supported");
      return nullptr;
  }
}

}  // namespace sluice::http
