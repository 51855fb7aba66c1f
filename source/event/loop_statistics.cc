#include "source/event/loop_statistics.h"

namespace sluice::event {

LoopStatistics::LoopStatistics(stats::Scope& scope)
    : scope_(scope.createScope("dispatcher")),
      loop_duration_(scope_->histogram("loop_duration_us", stats::Unit::Microseconds)),
      poll_delay_(scope_->histogram("poll_delay_us", stats::Unit::Microseconds)) {}

}  // namespace sluice::event
