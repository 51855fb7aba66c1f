#include "source/thread/named_thread.h"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "source/base/assert.h"
#include "source/base/crash.h"

namespace sluice::thread {
namespace {

constexpr size_t kLongestName = 15;

}  // namespace

InheritedSignalMask::InheritedSignalMask() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, &previous_);
}

InheritedSignalMask::~InheritedSignalMask() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

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
