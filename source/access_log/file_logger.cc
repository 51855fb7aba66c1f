#include "source/access_log/file_logger.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"

#include "source/config/type_registry.h"

namespace sluice::access_log {
namespace {

using envoy::extensions::access_loggers::file::v3::FileAccessLog;
using envoy::extensions::access_loggers::stream::v3::StderrAccessLog;
using envoy::extensions::access_loggers::stream::v3::StdoutAccessLog;

/** Envoy's line where no format is given; what is HTTP's stays "-" for TCP. */
constexpr absl::string_view kDefaultFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
    "\"%UPSTREAM_HOST%\"\n";

/** Where lines go, and how they are made. */
struct Output {
  std::string file;
  /** The field that names the file. */
  config::FieldPath path;
  std::optional<LineFormat> format;
};

std::optional<LineFormat> defaultFormat(const OperatorTable& table, const config::FieldPath& path,
                                        config::Violations& violations) {
  return LineFormat::fromText(kDefaultFormat, table, false, path, violations);
}

Output readFile(const FileAccessLog& config, const OperatorTable& table, const config::FieldPath& path,
                config::Violations& violations) {
  Output out{config.path(), path.field("path"), std::nullopt};
  switch (config.access_log_format_case()) {
    case FileAccessLog::kFormat:
      out.format = config.format().empty()
                       ? defaultFormat(table, path, violations)
                       : LineFormat::fromText(config.format(), table, false, path.field("format"), violations);
      break;
    case FileAccessLog::kJsonFormat:
      out.format = LineFormat::fromJson(config.json_format(), table, false, path.field("json_format"), violations);
      break;
    case FileAccessLog::kTypedJsonFormat:
      out.format =
          LineFormat::fromJson(config.typed_json_format(), table, false, path.field("typed_json_format"), violations);
      break;
    case FileAccessLog::kLogFormat:
      out.format = LineFormat::create(config.log_format(), table, path.field("log_format"), violations);
      break;
    case FileAccessLog::ACCESS_LOG_FORMAT_NOT_SET:
      out.format = defaultFormat(table, path, violations);
      break;
  }
  return out;
}

template <class Stream>
Output readStream(const char* file, const Stream& config, const OperatorTable& table, const config::FieldPath& path,
                  config::Violations& violations) {
  return {file, path,
          config.has_log_format() ? LineFormat::create(config.log_format(), table, path.field("log_format"), violations)
                                  : defaultFormat(table, path, violations)};
}

}  // namespace

FileLogger::FileLogger(std::shared_ptr<thread::LogFile> file, LineFormat format, LogFilterPtr filter)
    : file_(std::move(file)), format_(std::move(format)), filter_(std::move(filter)) {}

void FileLogger::log(const LogContext& context) const {
  if (filter_ != nullptr && !filter_->matches(context)) {
    return;
  }
  // A line's room is kept for the next one.
  static thread_local std::string line;
  line.clear();
  format_.append(context, line);
  file_->write(line);
}

AccessLoggers FileLoggerFactory::create(
    const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
    const config::FieldPath& path, config::Violations& violations) const {
  AccessLoggers loggers;
  for (int i = 0; i < configs.size(); ++i) {
    auto logger = createOne(configs[i], path.index(static_cast<size_t>(i)), violations);
    if (logger != nullptr) {
      loggers.push_back(std::move(logger));
    }
  }
  return loggers;
}

std::shared_ptr<const AccessLogger> FileLoggerFactory::createOne(const envoy::config::accesslog::v3::AccessLog& config,
                                                                 const config::FieldPath& path,
                                                                 config::Violations& violations) const {
  const config::FieldPath typed = path.field("typed_config");
  if (!config.has_typed_config()) {
    violations.add(typed, "must be set: its type tells the kind of access log");
    return nullptr;
  }
  LogFilterPtr filter;
  if (config.has_filter()) {
    filter = filters_.create(config.filter(), path.field("filter"), violations);
    if (filter == nullptr) {
      return nullptr;
    }
  }
  const std::string type = config::extensionTypeName(config.typed_config());
  for (const LoggerKind* const kind : kinds_) {
    if (kind->messageName() == type) {
      return kind->create(config.typed_config(), std::move(filter), typed, violations);
    }
  }
  const auto unpack = [&config, &typed, &violations](google::protobuf::Message& to) {
    return config::unpackTo(config.typed_config(), to, typed, violations);
  };
  Output out;
  FileAccessLog to_file;
  StdoutAccessLog to_stdout;
  StderrAccessLog to_stderr;
  if (type == to_file.GetDescriptor()->full_name()) {
    if (unpack(to_file)) {
      out = readFile(to_file, operators_, typed, violations);
    }
  } else if (type == to_stdout.GetDescriptor()->full_name()) {
    if (unpack(to_stdout)) {
      out = readStream("/dev/stdout", to_stdout, operators_, typed, violations);
    }
  } else if (type == to_stderr.GetDescriptor()->full_name()) {
    if (unpack(to_stderr)) {
      out = readStream("/dev/stderr", to_stderr, operators_, typed, violations);
    }
  } else {
    violations.add(typed, absl::StrCat("there is no access log of the type ", config.typed_config().type_url()));
  }
  if (!out.format.has_value()) {
    return nullptr;
  }
  auto file = writer_.open(out.file);
  if (!file.ok()) {
    violations.add(out.path, std::string(file.status().message()));
    return nullptr;
  }
  return std::make_shared<const FileLogger>(std::move(*file), std::move(*out.format), std::move(filter));
}

}  // namespace sluice::access_log
