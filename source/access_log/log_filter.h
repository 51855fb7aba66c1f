#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "source/access_log/logger.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/runtime/snapshot.h"

namespace envoy::config::accesslog::v3 {
class AccessLogFilter;
class ComparisonFilter;
class RuntimeFilter;
}  // namespace envoy::config::accesslog::v3

namespace sluice::access_log {

/** Decides which events an access log writes. Made on main, immutable, shared; matches() on any worker. */
class LogFilter {
 public:
  virtual ~LogFilter() = default;
  virtual bool matches(const LogContext& context) const = 0;
};
using LogFilterPtr = std::shared_ptr<const LogFilter>;

/**
 * Makes filters from their configuration. The kinds that look at requests come from the layer that knows those: `more` is
 * asked for every kind that is not the connection's, and returns null when there is none or it is wrong (`violations`).
 * On main.
 */
class LogFilterFactory {
 public:
  using Runtime = std::shared_ptr<const runtime::Snapshot>;
  using More =
      std::function<LogFilterPtr(const envoy::config::accesslog::v3::AccessLogFilter& config, const Runtime& runtime,
                                 const config::FieldPath& path, config::Violations& violations)>;

  explicit LogFilterFactory(Runtime runtime, More more = nullptr)
      : runtime_(std::move(runtime)), more_(std::move(more)) {}

  /** Null with a violation. */
  LogFilterPtr create(const envoy::config::accesslog::v3::AccessLogFilter& config, const config::FieldPath& path,
                      config::Violations& violations) const;

 private:
  const Runtime runtime_;
  const More more_;
};

/** A number held against a configured one, which runtime may replace. */
class Comparison {
 public:
  Comparison(const envoy::config::accesslog::v3::ComparisonFilter& config, const LogFilterFactory::Runtime& runtime);
  bool holds(uint64_t value) const;

 private:
  enum class Op : uint8_t { Equal, AtLeast, AtMost, NotEqual };
  const Op op_;
  const uint64_t value_;
};

/** The share of events that a runtime_filter lets through. */
runtime::Fraction sampledShare(const envoy::config::accesslog::v3::RuntimeFilter& config,
                               const LogFilterFactory::Runtime& runtime);

}  // namespace sluice::access_log
