#pragma once

#include <string>

#include "absl/status/status.h"

#include "source/access_log/operators.h"
#include "source/access_log/time_format.h"
#include "source/base/clock.h"

namespace sluice::access_log {

// Operators whose value is a time and whose argument is its format.

/** For Operator::prepare; an empty argument is RFC 3339 in milliseconds. */
absl::Status prepareTime(PreparedArgument& argument, const OperatorTable& table);
bool appendTime(base::SystemTime time, TimeFormat::Zone zone, const PreparedArgument& argument, std::string& out);

}  // namespace sluice::access_log
