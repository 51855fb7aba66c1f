#pragma once

#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"

#include "source/access_log/log_filter.h"
#include "source/access_log/logger.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace envoy::config::accesslog::v3 {
class AccessLog;
}
namespace google::protobuf {
class Any;
}

namespace sluice::access_log {

/** Makes access loggers from their configuration. On main; outlives what it made. */
class LoggerFactory {
 public:
  virtual ~LoggerFactory() = default;
  /** Adds what is wrong to `violations`; what it returns then is not to be used. */
  virtual AccessLoggers create(
      const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
      const config::FieldPath& path, config::Violations& violations) const = 0;
};

/** Makes one more kind of access logger, which a layer above has. On main; outlives what it made. */
class LoggerKind {
 public:
  virtual ~LoggerKind() = default;
  /** Full name of its message, without the type URL's prefix. */
  virtual absl::string_view messageName() const = 0;
  /** `config` holds that message. A null filter lets all through. Null with a violation. */
  virtual std::shared_ptr<const AccessLogger> create(const google::protobuf::Any& config, LogFilterPtr filter,
                                                     const config::FieldPath& path,
                                                     config::Violations& violations) const = 0;
};

}  // namespace sluice::access_log
