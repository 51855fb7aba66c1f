#pragma once

#include <chrono>
#include <cstdint>

#include "source/base/clock.h"
#include "source/base/intrusive_list.h"

namespace sluice::tls {

/**
 * How much of a thread's turn goes to handshakes: about kBudget, and what the last of them takes. The others wait for the
 * turns after, in the order in which they came, so that a crowd of new connections holds up those that are established
 * for no longer than that.
 */
class HandshakePace {
 public:
  static constexpr std::chrono::microseconds kBudget{1000};

  /** A handshake's place among those that wait. Leaving it, or destroying it, gives the place up. */
  class Place : private base::ListHook {
   public:
    void leave() { unlink(); }
    bool waits() const { return linked(); }

   private:
    friend class HandshakePace;
    friend class base::IntrusiveList<Place>;
    uint32_t asked_in_ = 0;
  };

  static HandshakePace& ofThisThread();

  /**
   * Whether the handshake may go on in the turn that began at this time. Otherwise it keeps its place by asking again in
   * the next turn; who cannot (as nobody reads from its connection) loses it, and holds up nobody.
   */
  bool admits(Place& place, base::MonotonicTime turn);
  /** What an admitted one took. */
  void took(std::chrono::nanoseconds time) { spent_ += time; }

 private:
  base::MonotonicTime turn_;
  uint32_t turn_number_ = 0;
  std::chrono::nanoseconds spent_{0};
  base::IntrusiveList<Place> waiting_;
};

}  // namespace sluice::tls
