#include "source/access_log/time_argument.h"

#include <memory>
#include <utility>

namespace sluice::access_log {
namespace {

const TimeFormat& defaultTimeFormat() {
  static const auto* const kFormat = new TimeFormat(TimeFormat::parse("").value());
  return *kFormat;
}

}  // namespace

absl::Status prepareTime(PreparedArgument& argument, const OperatorTable&) {
  if (argument.text.empty()) {
    return absl::OkStatus();
  }
  auto format = TimeFormat::parse(argument.text);
  if (!format.ok()) {
    return format.status();
  }
  argument.data = std::make_shared<const TimeFormat>(*std::move(format));
  return absl::OkStatus();
}

bool appendTime(base::SystemTime time, TimeFormat::Zone zone, const PreparedArgument& argument, std::string& out) {
  if (argument.data == nullptr && zone == TimeFormat::Zone::Utc) {
    appendRfc3339Millis(time, out);
    return true;
  }
  const auto* format = static_cast<const TimeFormat*>(argument.data.get());
  (format == nullptr ? defaultTimeFormat() : *format).append(time, zone, out);
  return true;
}

}  // namespace sluice::access_log
