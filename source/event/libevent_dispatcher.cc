#include "source/event/libevent_dispatcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "source/base/assert.h"
#include "source/event/file_event.h"
#include "source/event/signal.h"
#include "source/event/timer.h"

// A turn of the loop, in phases:
//
//   1. poll: libevent's event_base_loop(EVLOOP_ONCE) waits, unless something is left for this turn (ready tasks, deferred
//      deletions, tasks that this thread posted, an exit), in which case it only looks. The first callback after it reads
//      the clock: that is the turn's time.
//   2. I/O callbacks, signals and due timers, as libevent found them. What they enable or activate waits for the next
//      turn, zero timers and activated file events too. Then the tasks that waited for all of them (runAfterPoll()).
//   3. the ready list as it stood before the poll: a connection that left bytes in this turn waits for the next.
//   4. deferred deletions as they stood; what a destructor defers waits for the next such phase.
//   5. posted tasks as they stood.
//   6. deferred deletions again, so that what a posted task did away with does not outlast the turn.
//
// After each single callback, task and deletion the unwind list runs (Dispatcher::runAtUnwind()), so what one of them
// wrote goes out before the next begins.
//
// Posting writes the eventfd only when the list was empty, and not at all on the loop's own thread, where a flag does. The
// I/O callback of the eventfd only empties it: the list is taken in phase 5, with all that came until then. libevent is
// used without evthread: no other thread touches the base.
//
// The base's flags. No changelist: it batches epoll_ctl until the next poll, which saves nothing here, as connections
// enter the set once and stay, and it would leave a descriptor in the set that was closed in the meantime but lives on as
// a duplicate. No precise timer: that is a timerfd, and a system call a turn; timers check the turn's time instead.

namespace sluice::event {
namespace {

/** A burst of posts leaves no more than this many tasks' room behind. */
constexpr size_t kKeptPosts = 4096;
constexpr std::chrono::seconds kLaterPeriod{1};

/** The dispatcher whose run() is on this thread's stack. */
constinit thread_local LibeventDispatcher* looping_here = nullptr;

int makeEventFd() {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  SLUICE_CHECK(fd >= 0, "eventfd failed: out of descriptors");
  return fd;
}

}  // namespace

EventBaseHandle LibeventDispatcher::makeBase() {
  EventConfigHandle config(event_config_new());
  SLUICE_CHECK(config != nullptr, "event_config_new failed");
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_require_features(config.get(), EV_FEATURE_ET | EV_FEATURE_O1);
  EventBaseHandle base(event_base_new_with_config(config.get()));
  SLUICE_CHECK(base != nullptr, "event_base_new failed: out of descriptors");
  return base;
}

LibeventDispatcher::LibeventDispatcher(std::string name)
    : name_(std::move(name)),
      base_(makeBase()),
      wake_fd_(makeEventFd()),
      wake_event_(
          base_.get(), wake_fd_, EV_READ | EV_PERSIST,
          [](evutil_socket_t, short, void* dispatcher) { static_cast<LibeventDispatcher*>(dispatcher)->onWake(); },
          this),
      owner_(std::this_thread::get_id()),
      now_(std::chrono::steady_clock::now()) {
  const bool watched = wake_event_.add();
  SLUICE_CHECK(watched, name_);
}

LibeventDispatcher::~LibeventDispatcher() {
  SLUICE_CHECK(!running_, name_);
  clearDeferredDeletes();
  {
    std::vector<Task> unrun;
    {
      std::lock_guard<std::mutex> lock(post_mutex_);
      unrun.swap(posted_);
    }
    for (Task& task : unrun) {
      task = nullptr;
    }
  }
  clearDeferredDeletes();
  wake_event_.remove();
  ::close(wake_fd_);
}

void LibeventDispatcher::post(Task task) {
  bool was_empty;
  {
    std::lock_guard<std::mutex> lock(post_mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (looping_here == this) {
    posted_pending_ = true;
  } else if (was_empty) {
    wake();
  }
}

void LibeventDispatcher::wake() {
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then it is readable.
  const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
  static_cast<void>(written);
}

void LibeventDispatcher::onWake() {
  CallbackScope scope(*this);
  uint64_t count;
  const ssize_t taken = ::read(wake_fd_, &count, sizeof(count));
  static_cast<void>(taken);
  posted_pending_ = true;
}

std::unique_ptr<Timer> LibeventDispatcher::createTimer(std::function<void()> callback) {
  SLUICE_CHECK(isThreadSafe(), name_);
  return std::make_unique<LibeventTimer>(*this, std::move(callback));
}

std::unique_ptr<FileEvent> LibeventDispatcher::createFileEvent(int fd, Trigger trigger, uint32_t bits,
                                                               std::function<void(uint32_t bits)> callback) {
  SLUICE_CHECK(isThreadSafe(), name_);
  return std::make_unique<LibeventFileEvent>(*this, fd, trigger, bits, std::move(callback));
}

std::unique_ptr<ConnectionWatch> LibeventDispatcher::watchConnection(int fd, ReadyTask& task) {
  SLUICE_CHECK(isThreadSafe(), name_);
  auto watch = std::make_unique<LibeventConnectionWatch>(*this, fd, task);
  return watch->add() ? std::move(watch) : nullptr;
}

std::unique_ptr<SignalEvent> LibeventDispatcher::createSignalEvent(int signal, std::function<void()> callback) {
  SLUICE_CHECK(isThreadSafe(), name_);
  return std::make_unique<LibeventSignalEvent>(*this, signal, std::move(callback));
}

void LibeventDispatcher::deferredDelete(std::unique_ptr<DeferredDeletable> object) {
  SLUICE_CHECK(isThreadSafe(), name_);
  if (object != nullptr) {
    to_delete_.push_back(std::move(object));
  }
}

void LibeventDispatcher::clearDeferredDeletes() {
  while (!deleting_ && !to_delete_.empty()) {
    runDeferredDeletes();
  }
}

void LibeventDispatcher::runNextTurn(IntrusiveTask& task) {
  SLUICE_CHECK(isThreadSafe(), name_);
  ready_.add(task);
}

void LibeventDispatcher::runAtUnwind(IntrusiveTask& task) {
  SLUICE_CHECK(isThreadSafe(), name_);
  unwind_.add(task);
}

void LibeventDispatcher::runAfterPoll(IntrusiveTask& task) {
  SLUICE_CHECK(isThreadSafe(), name_);
  (polling_ ? after_poll_ : unwind_).add(task);
}

void LibeventDispatcher::runLater(IntrusiveTask& task) {
  SLUICE_CHECK(isThreadSafe(), name_);
  later_.add(task);
  if (later_timer_ == nullptr) {
    later_timer_ = createTimer([this] { onLaterTimer(); });
  }
  if (!later_timer_->enabled()) {
    later_timer_->enable(kLaterPeriod);
  }
}

void LibeventDispatcher::onLaterTimer() {
  ready_.splice(later_due_);
  later_due_.splice(later_);
  if (!later_due_.empty()) {
    later_timer_->enable(kLaterPeriod);
  }
}

base::SystemTime LibeventDispatcher::systemNow() const {
  if (!system_now_known_) {
    system_now_ = std::chrono::system_clock::now();
    system_now_known_ = true;
  }
  return system_now_;
}

void LibeventDispatcher::run(RunType type) {
  SLUICE_CHECK(looping_here == nullptr, "a dispatcher runs inside another's callback");
  owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  looping_here = this;
  running_ = true;
  if (!started_) {
    started_ = true;
    now_ = std::chrono::steady_clock::now();
    system_now_known_ = false;
    runPosted();
    runDeferredDeletes();
  }
  do {
    turn(type == RunType::UntilExit);
  } while (type == RunType::UntilExit && !exit_.load(std::memory_order_acquire));
  if (type == RunType::UntilExit) {
    exit_.store(false, std::memory_order_relaxed);
  }
  running_ = false;
  looping_here = nullptr;
}

void LibeventDispatcher::exit() {
  exit_.store(true, std::memory_order_release);
  if (looping_here != this) {
    wake();
  }
}

void LibeventDispatcher::setObserver(LoopObserver* observer) {
  SLUICE_CHECK(isThreadSafe() || !running_, name_);
  observer_ = observer;
}

void LibeventDispatcher::enableStatistics(stats::Scope& scope) {
  SLUICE_CHECK(isThreadSafe() && !running_, name_);
  statistics_ = std::make_unique<LoopStatistics>(scope);
}

void LibeventDispatcher::turn(bool may_wait) {
  if (!unwind_.empty()) {
    unwind();
  }
  due_.splice(ready_);
  may_wait =
      may_wait && due_.empty() && to_delete_.empty() && !posted_pending_ && !exit_.load(std::memory_order_relaxed);
  if (statistics_ != nullptr) {
    statistics_->beforePoll(may_wait);
  }
  if (observer_ != nullptr) {
    observer_->beforePoll();
  }
  turn_begun_ = false;
  polling_ = true;
  event_base_loop(base_.get(), may_wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
  polling_ = false;
  if (!turn_begun_) {
    beginTurn();
  }
  runAfterPollTasks();
  runReady();
  runDeferredDeletes();
  runPosted();
  runDeferredDeletes();
}

void LibeventDispatcher::beginTurn() {
  turn_begun_ = true;
  now_ = std::chrono::steady_clock::now();
  system_now_known_ = false;
  if (observer_ != nullptr) {
    observer_->afterPoll();
  }
  if (statistics_ != nullptr) {
    statistics_->afterPoll(now_);
  }
}

void LibeventDispatcher::unwind() {
  // Callbacks inside are not outermost: this loop sees what they schedule.
  ++callback_depth_;
  for (uint32_t budget = kUnwindBudget; !unwind_.empty(); --budget) {
    if (budget == 0) {
      ready_.splice(unwind_);
      break;
    }
    unwind_.runFirst();
  }
  --callback_depth_;
}

void LibeventDispatcher::runAfterPollTasks() {
  while (!after_poll_.empty()) {
    CallbackScope scope(*this);
    after_poll_.runFirst();
  }
}

void LibeventDispatcher::runReady() {
  while (!due_.empty()) {
    CallbackScope scope(*this);
    due_.runFirst();
  }
}

void LibeventDispatcher::runPosted() {
  if (!posted_pending_) {
    return;
  }
  posted_pending_ = false;
  {
    std::lock_guard<std::mutex> lock(post_mutex_);
    running_posted_.swap(posted_);
  }
  for (Task& slot : running_posted_) {
    CallbackScope scope(*this);
    Task task = std::move(slot);
    task();
  }
  running_posted_.clear();
  if (running_posted_.capacity() > kKeptPosts) {
    running_posted_.shrink_to_fit();
  }
}

void LibeventDispatcher::runDeferredDeletes() {
  if (to_delete_.empty() || deleting_) {
    return;
  }
  deleting_ = true;
  deleting_now_.swap(to_delete_);
  for (std::unique_ptr<DeferredDeletable>& object : deleting_now_) {
    CallbackScope scope(*this);
    object.reset();
  }
  deleting_now_.clear();
  deleting_ = false;
}

}  // namespace sluice::event
