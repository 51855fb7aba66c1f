#pragma once

#include "google/protobuf/repeated_field.h"

#include "source/access_log/logger.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace envoy::config::accesslog::v3 {
class AccessLog;
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

}  // namespace sluice::access_log
