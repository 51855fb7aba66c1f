#include "source/net/drain.h"

#include "source/base/random.h"

namespace sluice::net {

DrainRules& DrainRules::get() {
  static DrainRules rules;
  return rules;
}

bool drainsNow(base::MonotonicTime since, base::MonotonicTime now) {
  const DrainRules& rules = DrainRules::get();
  const int64_t whole = rules.time_ms.load(std::memory_order_relaxed);
  const int64_t passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
  if (!rules.gradual.load(std::memory_order_relaxed) || passed >= whole) {
    return true;
  }
  return passed > 0 && base::threadRandom().below(static_cast<uint64_t>(whole)) < static_cast<uint64_t>(passed);
}

bool serverDrainsNow(base::MonotonicTime now) {
  const DrainRules& rules = DrainRules::get();
  if (rules.health_check_failed.load(std::memory_order_relaxed)) {
    return true;
  }
  const int64_t since = rules.server_since.load(std::memory_order_relaxed);
  return since != 0 && drainsNow(base::MonotonicTime(std::chrono::nanoseconds(since)), now);
}

}  // namespace sluice::net
