#include "source/access_log/file_logger.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"

#include "source/config/data_source.h"
#include "source/config/type_registry.h"

namespace sluice::access_log {
namespace {

using FileAccessLog = envoy::extensions::access_loggers::file::v3::FileAccessLog;

/** Envoy's line where no format is given; what is HTTP's stays "-" for TCP. */
constexpr absl::string_view kDefaultFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
    "\"%UPSTREAM_HOST%\"\n";

/** The text and the path of the field that holds it. */
struct FormatText {
  std::string text{kDefaultFormat};
  config::FieldPath path;
  bool omit_empty_values = false;
};

std::optional<FormatText> formatText(const FileAccessLog& config, const config::FieldPath& path,
                                     config::Violations& violations) {
  FormatText out;
  out.path = path;
  switch (config.access_log_format_case()) {
    case FileAccessLog::ACCESS_LOG_FORMAT_NOT_SET:
      return out;
    case FileAccessLog::kFormat:
      out.path = path.field("format");
      if (!config.format().empty()) {
        out.text = config.format();
      }
      return out;
    case FileAccessLog::kLogFormat: {
      const auto& format = config.log_format();
      const config::FieldPath format_path = path.field("log_format");
      out.omit_empty_values = format.omit_empty_values();
      if (format.has_text_format_source()) {
        out.path = format_path.field("text_format_source");
        auto text = config::readDataSource(format.text_format_source(), out.path, violations);
        if (!text.has_value()) {
          return std::nullopt;
        }
        out.text = std::move(*text);
        return out;
      }
      if (format.format_case() == envoy::config::core::v3::SubstitutionFormatString::kTextFormat) {
        out.path = format_path.field("text_format");
        out.text = format.text_format();
        return out;
      }
      violations.add(format_path, "only text formats are supported");
      return std::nullopt;
    }
    default:
      violations.add(path, "only text formats are supported");
      return std::nullopt;
  }
}

}  // namespace

FileLogger::FileLogger(std::shared_ptr<thread::LogFile> file, Format format)
    : file_(std::move(file)), format_(std::move(format)) {}

void FileLogger::log(const net::StreamInfo& info, LogType type) const {
  // A line's room is kept for the next one.
  static thread_local std::string line;
  line.clear();
  format_.append({info, type}, line);
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
  if (config::extensionTypeName(config.typed_config()) != FileAccessLog::descriptor()->full_name()) {
    violations.add(typed, absl::StrCat("there is no access log of the type ", config.typed_config().type_url()));
    return nullptr;
  }
  FileAccessLog file_config;
  if (!config::unpackTo(config.typed_config(), file_config, typed, violations)) {
    return nullptr;
  }
  const auto text = formatText(file_config, typed, violations);
  if (!text.has_value()) {
    return nullptr;
  }
  auto format = Format::parse(text->text, operators_, text->omit_empty_values);
  if (!format.ok()) {
    violations.add(text->path, std::string(format.status().message()));
    return nullptr;
  }
  auto file = writer_.open(file_config.path());
  if (!file.ok()) {
    violations.add(typed.field("path"), std::string(file.status().message()));
    return nullptr;
  }
  return std::make_shared<const FileLogger>(std::move(*file), std::move(*format));
}

}  // namespace sluice::access_log
