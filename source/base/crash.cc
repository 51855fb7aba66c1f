#include "source/base/crash.h"

#include <cxxabi.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

#include "absl/debugging/symbolize.h"

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::base {
namespace {

constexpr size_t kCrashStackBytes = 128 * 1024;
constexpr int kSignals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

const char* describeSignal(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "Segmentation fault";
    case SIGABRT:
      return "Aborted";
    case SIGBUS:
      return "Bus error";
    case SIGFPE:
      return "Floating point exception";
    default:
      return "Illegal instruction";
  }
}

}  // namespace

constinit thread_local const ScopedActivity* ScopedActivity::innermost_ = nullptr;

/** Builds lines in a buffer of its own, since nothing here may allocate, and writes each to the log's descriptor. */
class CrashReport {
 public:
  void write(int signal, const void* fault_address, const void* context) {
    text("[critical][backtrace] Caught ").text(describeSignal(signal)).text(", suspect faulting address ");
    hex(reinterpret_cast<uintptr_t>(fault_address)).endLine();
    writeActivity();
    writeBacktrace(context);
  }

 private:
  void writeActivity() {
    const ScopedActivity* activity = ScopedActivity::innermost_;
    if (activity == nullptr) {
      return;
    }
    text("[critical][backtrace] The thread was busy with (innermost first):").endLine();
    for (; activity != nullptr; activity = activity->outer_) {
      text("  ").text(activity->what_).text(" ");
      if (activity->name_.empty()) {
        decimal(activity->number_);
      } else {
        text(activity->name_);
      }
      endLine();
    }
  }

  void writeBacktrace(const void* context) {
    constexpr int kMaxFrames = 96;
    void* frames[kMaxFrames];
    const int depth = ::backtrace(frames, kMaxFrames);
    // What came after the signal is of no interest: begin where the thread was interrupted.
    const void* interrupted = interruptedAt(context);
    int first = 0;
    for (int i = 0; i < depth; ++i) {
      if (frames[i] == interrupted) {
        first = i;
        break;
      }
    }
    text("[critical][backtrace] Backtrace:").endLine();
    for (int i = first; i < depth; ++i) {
      // A return address may lie past the end of the function that made the call; the interrupted one does not.
      const void* address = frames[i] == interrupted ? frames[i] : static_cast<const char*>(frames[i]) - 1;
      char symbol[512];
      const bool known = absl::Symbolize(address, symbol, sizeof(symbol));
      text("#").decimal(static_cast<uint64_t>(i - first)).text(": ").text(known ? symbol : "(unknown)").text(" [");
      hex(reinterpret_cast<uintptr_t>(frames[i])).text("]").endLine();
    }
  }

  static const void* interruptedAt(const void* context) {
    const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return reinterpret_cast<const void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return reinterpret_cast<const void*>(machine.pc);
#else
#error "say where this processor keeps the interrupted address"
#endif
  }

  CrashReport& text(absl::string_view piece) {
    const size_t size = std::min(piece.size(), sizeof(line_) - 1 - used_);
    std::memcpy(line_ + used_, piece.data(), size);
    used_ += size;
    return *this;
  }
  CrashReport& hex(uint64_t value) { return number(value, 16, "0x"); }
  CrashReport& decimal(uint64_t value) { return number(value, 10, ""); }
  CrashReport& number(uint64_t value, unsigned base, const char* prefix) {
    char digits[32];
    size_t at = sizeof(digits);
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return text(prefix).text(absl::string_view(digits + at, sizeof(digits) - at));
  }
  void endLine() {
    line_[used_++] = '\n';
    log::detail::writeRaw(absl::string_view(line_, used_));
    used_ = 0;
  }

  char line_[1024];
  size_t used_ = 0;
};

namespace {

void onCrash(int signal, siginfo_t* info, void* context) {
  // Another thread that crashes meanwhile waits here for the process to end; one that crashes again inside the report
  // goes straight to the default action.
  static std::atomic<pid_t> reporter{0};
  const pid_t self = ::gettid();
  pid_t nobody = 0;
  if (reporter.compare_exchange_strong(nobody, self)) {
    CrashReport report;
    report.write(signal, info->si_addr, context);
  } else if (nobody != self) {
    ::pause();
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

[[noreturn]] void onTerminate() {
  const std::exception_ptr exception = std::current_exception();
  if (exception == nullptr) {
    log::detail::write(LogId::main, LogLevel::Critical, __FILE__, __LINE__, "std::terminate called");
    std::abort();
  }
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    int status = 0;
    char* type = abi::__cxa_demangle(typeid(e).name(), nullptr, nullptr, &status);
    log::detail::write(LogId::main, LogLevel::Critical, __FILE__, __LINE__,
                       fmt::format("unexpected exception {}: {}", type != nullptr ? type : typeid(e).name(), e.what()));
    std::free(type);
  } catch (...) {
    log::detail::write(LogId::main, LogLevel::Critical, __FILE__, __LINE__, "unexpected exception of unknown type");
  }
  std::abort();
}

}  // namespace

CrashStack::CrashStack() {
  memory_ = ::mmap(nullptr, kCrashStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  SLUICE_CHECK(memory_ != MAP_FAILED, std::strerror(errno));
  stack_t stack = {};
  stack.ss_sp = memory_;
  stack.ss_size = kCrashStackBytes;
  SLUICE_CHECK(::sigaltstack(&stack, nullptr) == 0, std::strerror(errno));
}

CrashStack::~CrashStack() {
  stack_t off = {};
  off.ss_flags = SS_DISABLE;
  ::sigaltstack(&off, nullptr);
  ::munmap(memory_, kCrashStackBytes);
}

void installCrashHandler(const char* argv0) {
  absl::InitializeSymbolizer(argv0);
  // The first call loads the unwinder, which a signal handler may not.
  void* frame = nullptr;
  (void)::backtrace(&frame, 1);
  // Kept for good: main's stack has to be there until the process has ended. The pointer, too, or it would be a leak.
  [[gnu::used]] static CrashStack* const main_stack = new CrashStack();
  struct sigaction action = {};
  action.sa_sigaction = onCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) {
    SLUICE_CHECK(::sigaction(signal, &action, nullptr) == 0, std::strerror(errno));
  }
  std::set_terminate(onTerminate);
}

}  // namespace sluice::base
