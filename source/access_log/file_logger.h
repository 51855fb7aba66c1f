#pragma once

#include <memory>
#include <vector>

#include "source/access_log/factory.h"
#include "source/access_log/line_format.h"
#include "source/access_log/log_filter.h"
#include "source/access_log/operators.h"
#include "source/thread/file_writer.h"

namespace sluice::access_log {

/**
 * Appends a formatted line to a file for each event that its filter lets through. log() never waits: the file writer's
 * thread writes.
 */
class FileLogger : public AccessLogger {
 public:
  /** A null filter lets all through. */
  FileLogger(std::shared_ptr<thread::LogFile> file, LineFormat format, LogFilterPtr filter);
  void log(const LogContext& context) const override;

 private:
  const std::shared_ptr<thread::LogFile> file_;
  const LineFormat format_;
  const LogFilterPtr filter_;
};

/**
 * Makes the loggers that write to files, standard output and standard error, and those of the kinds that were added. Owned
 * by the server; outlives what it made.
 */
class FileLoggerFactory : public LoggerFactory {
 public:
  FileLoggerFactory(thread::FileWriter& writer, const OperatorTable& operators, const LogFilterFactory& filters)
      : writer_(writer), operators_(operators), filters_(filters) {}

  /** At start. The kind outlives this. */
  void add(const LoggerKind& kind) { kinds_.push_back(&kind); }

  AccessLoggers create(const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
                       const config::FieldPath& path, config::Violations& violations) const override;

 private:
  std::shared_ptr<const AccessLogger> createOne(const envoy::config::accesslog::v3::AccessLog& config,
                                                const config::FieldPath& path, config::Violations& violations) const;

  thread::FileWriter& writer_;
  const OperatorTable& operators_;
  const LogFilterFactory& filters_;
  std::vector<const LoggerKind*> kinds_;
};

}  // namespace sluice::access_log
