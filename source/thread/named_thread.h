#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <thread>

namespace sluice::thread {

/**
 * Starts a thread under a name that `ps -L` and debuggers show (at most 15 characters; the rest is cut off). All signals
 * but those of a fault are blocked in it, as main alone takes them; it has a stack to crash on. The caller joins it.
 */
std::thread startThread(const std::string& name, std::function<void()> body);

/**
 * For its lifetime, threads that the calling thread starts inherit a mask in which those signals are blocked: for
 * libraries that start threads of their own. Signals that come meanwhile wait until it ends.
 */
class InheritedSignalMask {
 public:
  InheritedSignalMask();
  InheritedSignalMask(const InheritedSignalMask&) = delete;
  InheritedSignalMask& operator=(const InheritedSignalMask&) = delete;
  ~InheritedSignalMask();

 private:
  sigset_t previous_;
};

}  // namespace sluice::thread
