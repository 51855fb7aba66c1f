#include "source/tls/rotating_ticket_keys.h"

#include <utility>

namespace sluice::tls {

std::shared_ptr<const SessionTicketKeys> RotatingTicketKeys::at(base::MonotonicTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (keys_ == nullptr || now >= next_) {
    // Nobody may have asked for so long that the last ones are out of date, too.
    const bool previous_is_good = keys_ != nullptr && now < next_ + kRotation;
    auto made = SessionTicketKeys::generate(previous_is_good ? keys_.get() : nullptr);
    if (made == nullptr) {
      return keys_;
    }
    keys_ = std::move(made);
    next_ = now + kRotation;
  }
  return keys_;
}

}  // namespace sluice::tls
