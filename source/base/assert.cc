#include "source/base/assert.h"

#include <cstdlib>

#include "source/base/logging.h"

namespace sluice::base {

void checkFailed(const char* file, int line, const char* condition, absl::string_view details) {
  // Straight to the log's writer: a broken invariant is told whatever the level.
  log::detail::write(LogId::assert, LogLevel::Critical, file, line,
                     fmt::format("check failed: {}. {}", condition, details));
  std::abort();
}

}  // namespace sluice::base
