#pragma once

#include <chrono>

namespace sluice::base {

using MonotonicTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::system_clock::time_point;

/** Both of the process's clocks. Replaced by ManualClock in tests; thread-safe. */
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime monotonicNow() const = 0;
  virtual SystemTime systemNow() const = 0;
};

class RealClock : public Clock {
 public:
  MonotonicTime monotonicNow() const override { return std::chrono::steady_clock::now(); }
  SystemTime systemNow() const override { return std::chrono::system_clock::now(); }
};

}  // namespace sluice::base
