#include "source/admin/logging_page.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "source/base/logging.h"

namespace sluice::admin {
namespace {

using base::LogLevel;

constexpr absl::string_view kUsage =
    "usage: /logging?<name>=<level> (change single level)\n"
    "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
    "usage: /logging?level=<level> (change all levels)\n"
    "usage: /logging?group=<group_name>:<level> (change group of loggers)\n";

bool isLogger(absl::string_view name) {
  for (const auto& [known, level] : base::log::listLevels()) {
    if (known == name) {
      return true;
    }
  }
  return false;
}

absl::Status check(absl::string_view name, absl::string_view level) {
  LogLevel parsed;
  if (name.empty() || level.empty()) {
    return absl::InvalidArgumentError("empty logger name or empty logger level");
  }
  if (!base::parseLogLevel(level, parsed)) {
    return absl::InvalidArgumentError("unknown logger level");
  }
  return isLogger(name) ? absl::OkStatus() : absl::InvalidArgumentError("unknown logger name");
}

absl::Status setAll(absl::string_view level) {
  LogLevel parsed;
  if (!base::parseLogLevel(level, parsed)) {
    return absl::InvalidArgumentError("unknown logger level");
  }
  base::log::setLevel(parsed);
  return absl::OkStatus();
}

/** "name1:level1,name2:level2". */
absl::Status setSome(absl::string_view list) {
  const std::vector<absl::string_view> entries = absl::StrSplit(list, ',', absl::SkipEmpty());
  if (entries.empty()) {
    return absl::InvalidArgumentError("empty logger name or empty logger level");
  }
  for (absl::string_view entry : entries) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(entry, absl::MaxSplits(':', 1));
    if (const absl::Status status = check(parts.first, parts.second); !status.ok()) {
      return status;
    }
  }
  return base::log::setComponentLevels(absl::StrJoin(entries, ","));
}

absl::Status change(const Request& request) {
  // What an HTML form leaves empty was not asked for.
  Request::Parameters given;
  for (const auto& parameter : request.parameters) {
    if (request.parameters.size() == 1 || !parameter.second.empty()) {
      given.push_back(parameter);
    }
  }
  if (given.empty()) {
    return absl::OkStatus();
  }
  if (given.size() > 1) {
    return absl::InvalidArgumentError("invalid number of parameters");
  }
  const auto& [key, value] = given.front();
  if (key == "level") {
    return setAll(value);
  }
  if (key == "paths" || key == "group") {
    return setSome(value);
  }
  return setSome(absl::StrCat(key, ":", value));
}

}  // namespace

LoggingAnswer changeLogLevels(const Request& request) {
  LoggingAnswer answer;
  const absl::Status status = change(request);
  if (!status.ok()) {
    answer.status = 400;
    absl::StrAppend(&answer.text, "error: ", status.message(), "\n\n", kUsage, "levels: ");
    for (LogLevel level = LogLevel::Trace; level <= LogLevel::Off;
         level = static_cast<LogLevel>(static_cast<uint8_t>(level) + 1)) {
      absl::StrAppend(&answer.text, base::logLevelName(level), " ");
    }
    answer.text += "\n";
  }
  answer.text += "active loggers:\n";
  for (const auto& [name, level] : base::log::listLevels()) {
    absl::StrAppend(&answer.text, "  ", name, ": ", base::logLevelName(level), "\n");
  }
  answer.text += "\n";
  return answer;
}

}  // namespace sluice::admin
