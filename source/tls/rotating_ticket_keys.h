#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "source/base/clock.h"
#include "source/tls/session_ticket_keys.h"

namespace sluice::tls {

/**
 * Keys of session tickets where none are configured: made of chance, new ones every two days, and the ones before them
 * still good for two more, as Envoy has it. Part of an OpenSSL context, so all its connections share them; any thread.
 */
class RotatingTicketKeys {
 public:
  static constexpr std::chrono::hours kRotation{48};

  /** Those of the time; null where the system has no randomness to give. */
  std::shared_ptr<const SessionTicketKeys> at(base::MonotonicTime now);

 private:
  /**
   * Guards the rest: a handshake takes it for a moment. A worker that rotated by itself would not know the tickets of the
   * others.
   */
  std::mutex mutex_;
  std::shared_ptr<const SessionTicketKeys> keys_;
  base::MonotonicTime next_;
};

}  // namespace sluice::tls
