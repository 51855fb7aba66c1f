#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::base {

/**
 * Catches SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL: writes the signal, what the thread was doing (ScopedActivity) and
 * a symbolised backtrace to the log, then lets the signal end the process as it would have. Also makes an exception
 * that nobody catches say what it was. Once, on the main thread, early.
 */
void installCrashHandler(const char* argv0);

/**
 * Gives the calling thread a stack to crash on, without which an overflown stack ends the process in silence. Main has
 * one from installCrashHandler(); every other thread makes one and keeps it to its end.
 */
class CrashStack {
 public:
  CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;
  ~CrashStack();

 private:
  void* memory_;
};

/**
 * Says what the thread is doing for as long as the object lives, for a crash's report: "worker_0", inside that
 * "listener front", inside that "connection 12". Costs a few stores. On the stack only; `what` is a literal, and the
 * name outlives the object.
 */
class ScopedActivity {
 public:
  ScopedActivity(const char* what, absl::string_view name) : ScopedActivity(what, name, 0) {}
  ScopedActivity(const char* what, uint64_t number) : ScopedActivity(what, absl::string_view(), number) {}
  ScopedActivity(const ScopedActivity&) = delete;
  ScopedActivity& operator=(const ScopedActivity&) = delete;
  ~ScopedActivity() { innermost_ = outer_; }

 private:
  friend class CrashReport;
  ScopedActivity(const char* what, absl::string_view name, uint64_t number)
      : outer_(innermost_), what_(what), name_(name), number_(number) {
    innermost_ = this;
  }

  static constinit thread_local const ScopedActivity* innermost_;

  const ScopedActivity* const outer_;
  const char* const what_;
  const absl::string_view name_;
  const uint64_t number_;
};

}  // namespace sluice::base
