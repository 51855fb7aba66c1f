#include "source/tls/handshake_pace.h"

namespace sluice::tls {

HandshakePace& HandshakePace::ofThisThread() {
  thread_local HandshakePace pace;
  return pace;
}

bool HandshakePace::admits(Place& place, base::MonotonicTime turn) {
  if (turn != turn_) {
    turn_ = turn;
    ++turn_number_;
    spent_ = std::chrono::nanoseconds(0);
  }
  place.asked_in_ = turn_number_;
  for (Place* first = waiting_.front(); first != nullptr && turn_number_ - first->asked_in_ > 1;
       first = waiting_.front()) {
    first->leave();
  }
  if (spent_ < kBudget && (waiting_.empty() || waiting_.front() == &place)) {
    place.leave();
    return true;
  }
  if (!place.waits()) {
    waiting_.pushBack(place);
  }
  return false;
}

}  // namespace sluice::tls
