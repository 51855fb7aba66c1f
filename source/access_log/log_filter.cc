#include "source/access_log/log_filter.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"

#include "source/access_log/response_flags.h"
#include "source/base/random.h"
#include "source/runtime/values.h"

namespace sluice::access_log {
namespace {

using envoy::config::accesslog::v3::AccessLogFilter;

class DurationFilter : public LogFilter {
 public:
  explicit DurationFilter(Comparison comparison) : comparison_(comparison) {}
  bool matches(const LogContext& context) const override {
    const base::MonotonicTime end = context.info.end_monotonic.value_or(std::chrono::steady_clock::now());
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(end - context.info.start_monotonic);
    return comparison_.holds(static_cast<uint64_t>(std::max<int64_t>(0, took.count())));
  }

 private:
  const Comparison comparison_;
};

/** A share of events, drawn anew for each. */
class RuntimeFilter : public LogFilter {
 public:
  explicit RuntimeFilter(runtime::Fraction share) : share_(share) {}
  bool matches(const LogContext&) const override { return share_.contains(base::threadRandom().next()); }

 private:
  const runtime::Fraction share_;
};

class AllFilter : public LogFilter {
 public:
  explicit AllFilter(std::vector<LogFilterPtr> filters) : filters_(std::move(filters)) {}
  bool matches(const LogContext& context) const override {
    for (const LogFilterPtr& filter : filters_) {
      if (!filter->matches(context)) {
        return false;
      }
    }
    return true;
  }

 private:
  const std::vector<LogFilterPtr> filters_;
};

class AnyFilter : public LogFilter {
 public:
  explicit AnyFilter(std::vector<LogFilterPtr> filters) : filters_(std::move(filters)) {}
  bool matches(const LogContext& context) const override {
    for (const LogFilterPtr& filter : filters_) {
      if (filter->matches(context)) {
        return true;
      }
    }
    return false;
  }

 private:
  const std::vector<LogFilterPtr> filters_;
};

class ResponseFlagFilter : public LogFilter {
 public:
  explicit ResponseFlagFilter(uint64_t flags) : flags_(flags) {}
  bool matches(const LogContext& context) const override { return (context.info.response_flags & flags_) != 0; }

 private:
  const uint64_t flags_;
};

class LogTypeFilter : public LogFilter {
 public:
  LogTypeFilter(uint32_t types, bool exclude) : types_(types), exclude_(exclude) {}
  bool matches(const LogContext& context) const override {
    return ((types_ >> static_cast<uint32_t>(context.type) & 1) != 0) != exclude_;
  }

 private:
  /** A bit for each LogType. */
  const uint32_t types_;
  const bool exclude_;
};

LogFilterPtr makeResponseFlags(const envoy::config::accesslog::v3::ResponseFlagFilter& config,
                               const config::FieldPath& path, config::Violations& violations) {
  // Without a list, any flag will do.
  uint64_t flags = config.flags().empty() ? ~0ull : 0;
  for (int i = 0; i < config.flags_size(); ++i) {
    const auto bit = responseFlagBit(config.flags(i));
    if (!bit.has_value()) {
      violations.add(path.field("flags").index(static_cast<size_t>(i)),
                     absl::StrCat("there is no response flag '", config.flags(i), "'"));
      return nullptr;
    }
    flags |= *bit;
  }
  return std::make_shared<const ResponseFlagFilter>(flags);
}

LogFilterPtr makeLogTypes(const envoy::config::accesslog::v3::LogTypeFilter& config) {
  uint32_t types = 0;
  for (const int type : config.types()) {
    const std::string name =
        envoy::data::accesslog::v3::AccessLogType_Name(static_cast<envoy::data::accesslog::v3::AccessLogType>(type));
    for (uint32_t known = 0; known <= static_cast<uint32_t>(LogType::DownstreamTunnelSuccessfullyEstablished);
         ++known) {
      if (logTypeName(static_cast<LogType>(known)) == name) {
        types |= 1u << known;
      }
    }
  }
  return std::make_shared<const LogTypeFilter>(types, config.exclude());
}

}  // namespace

runtime::Fraction sampledShare(const envoy::config::accesslog::v3::RuntimeFilter& config,
                               const LogFilterFactory::Runtime& runtime) {
  const runtime::Fraction fallback = runtime::toFraction(config.percent_sampled());
  return runtime == nullptr ? fallback : runtime->getFraction(config.runtime_key(), fallback);
}

Comparison::Comparison(const envoy::config::accesslog::v3::ComparisonFilter& config,
                       const LogFilterFactory::Runtime& runtime)
    : op_([&config] {
        switch (config.op()) {
          case envoy::config::accesslog::v3::ComparisonFilter::GE:
            return Op::AtLeast;
          case envoy::config::accesslog::v3::ComparisonFilter::LE:
            return Op::AtMost;
          case envoy::config::accesslog::v3::ComparisonFilter::NE:
            return Op::NotEqual;
          default:
            return Op::Equal;
        }
      }()),
      value_(runtime == nullptr || config.value().runtime_key().empty()
                 ? config.value().default_value()
                 : runtime->getInteger(config.value().runtime_key(), config.value().default_value())) {}

bool Comparison::holds(uint64_t value) const {
  switch (op_) {
    case Op::Equal:
      return value == value_;
    case Op::AtLeast:
      return value >= value_;
    case Op::AtMost:
      return value <= value_;
    case Op::NotEqual:
      return value != value_;
  }
  return false;
}

LogFilterPtr LogFilterFactory::create(const AccessLogFilter& config, const config::FieldPath& path,
                                      config::Violations& violations) const {
  const auto all = [this, &violations](const auto& list, const config::FieldPath& list_path) {
    std::vector<LogFilterPtr> filters;
    for (int i = 0; i < list.size(); ++i) {
      LogFilterPtr filter = create(list[i], list_path.index(static_cast<size_t>(i)), violations);
      if (filter != nullptr) {
        filters.push_back(std::move(filter));
      }
    }
    return filters;
  };
  switch (config.filter_specifier_case()) {
    case AccessLogFilter::kDurationFilter:
      return std::make_shared<const DurationFilter>(Comparison(config.duration_filter().comparison(), runtime_));
    case AccessLogFilter::kRuntimeFilter: {
      const auto& filter = config.runtime_filter();
      if (more_ != nullptr && !filter.use_independent_randomness()) {
        return more_(config, runtime_, path, violations);
      }
      return std::make_shared<const RuntimeFilter>(sampledShare(filter, runtime_));
    }
    case AccessLogFilter::kAndFilter:
      return std::make_shared<const AllFilter>(
          all(config.and_filter().filters(), path.field("and_filter").field("filters")));
    case AccessLogFilter::kOrFilter:
      return std::make_shared<const AnyFilter>(
          all(config.or_filter().filters(), path.field("or_filter").field("filters")));
    case AccessLogFilter::kResponseFlagFilter:
      return makeResponseFlags(config.response_flag_filter(), path.field("response_flag_filter"), violations);
    case AccessLogFilter::kLogTypeFilter:
      return makeLogTypes(config.log_type_filter());
    case AccessLogFilter::kExtensionFilter:
      violations.add(path.field("extension_filter"), "there are no access log filter extensions");
      return nullptr;
    case AccessLogFilter::FILTER_SPECIFIER_NOT_SET:
      violations.add(path, "must name a filter");
      return nullptr;
    default:
      break;
  }
  if (more_ == nullptr) {
    violations.add(path, "this filter is for requests, and here there are none");
    return nullptr;
  }
  return more_(config, runtime_, path, violations);
}

}  // namespace sluice::access_log
