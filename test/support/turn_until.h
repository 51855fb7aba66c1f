#pragma once

#include <chrono>
#include <functional>

#include "source/event/dispatcher.h"

namespace sluice::test {

/** Turns the loop without waiting until `done`; false if it never comes to that. */
inline bool turnUntil(event::Dispatcher& dispatcher, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    dispatcher.run(event::Dispatcher::RunType::NonBlock);
  }
  return true;
}

}  // namespace sluice::test
