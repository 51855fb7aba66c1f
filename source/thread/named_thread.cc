#include "source/thread/named_thread.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <utility>

#include "source/base/assert.h"
#include "source/base/crash.h"

namespace sluice::thread {
namespace {

constexpr size_t kLongestName = 15;

/** For its lifetime, new threads inherit a mask in which main's signals are blocked. */
class InheritedSignalMask {
 public:
  InheritedSignalMask() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
      sigdelset(&blocked, fault);
    }
    pthread_sigmask(SIG_BLOCK, &blocked, &previous_);
  }
  InheritedSignalMask(const InheritedSignalMask&) = delete;
  InheritedSignalMask& operator=(const InheritedSignalMask&) = delete;
  ~InheritedSignalMask() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

 private:
  sigset_t previous_;
};

}  // namespace

std::thread startThread(const std::string& name, std::function<void()> body) {
  const InheritedSignalMask mask;
  try {
    return std::thread([name = name.substr(0, kLongestName), body = std::move(body)] {
      pthread_setname_np(pthread_self(), name.c_str());
      const base::CrashStack crash_stack;
      const base::ScopedActivity activity("thread", name);
      body();
    });
  } catch (const std::system_error&) {
    SLUICE_CHECK(false, "the system refuses another thread: " + name);
  }
}

}  // namespace sluice::thread
