#pragma once

#include <memory>

#include "source/access_log/factory.h"
#include "source/access_log/format.h"
#include "source/access_log/operators.h"
#include "source/thread/file_writer.h"

namespace sluice::access_log {

/** Appends a formatted line to a file for each event. log() never waits: the file writer's thread writes. */
class FileLogger : public AccessLogger {
 public:
  FileLogger(std::shared_ptr<thread::LogFile> file, Format format);
  void log(const net::StreamInfo& info, LogType type) const override;

 private:
  const std::shared_ptr<thread::LogFile> file_;
  const Format format_;
};

/** Makes the loggers that Sluice has: envoy.access_loggers.file. Owned by the server; outlives what it made. */
class FileLoggerFactory : public LoggerFactory {
 public:
  FileLoggerFactory(thread::FileWriter& writer, const OperatorTable& operators)
      : writer_(writer), operators_(operators) {}

  AccessLoggers create(const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
                       const config::FieldPath& path, config::Violations& violations) const override;

 private:
  std::shared_ptr<const AccessLogger> createOne(const envoy::config::accesslog::v3::AccessLog& config,
                                                const config::FieldPath& path, config::Violations& violations) const;

  thread::FileWriter& writer_;
  const OperatorTable& operators_;
};

}  // namespace sluice::access_log
