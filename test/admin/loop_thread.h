#pragma once

#include <future>
#include <string>
#include <thread>

#include "source/event/libevent_dispatcher.h"
#include "source/thread/named_thread.h"

namespace sluice::test {

/** A dispatcher that runs on a thread of its own, on which the test has things done. */
class LoopThread {
 public:
  explicit LoopThread(const std::string& name = "main_thread")
      : dispatcher_(name),
        // Without signals, as all of Sluice's threads: libevent's writes may raise SIGPIPE.
        thread_(thread::startThread(name, [this] { dispatcher_.run(event::Dispatcher::RunType::UntilExit); })) {}
  ~LoopThread() {
    dispatcher_.exit();
    thread_.join();
  }

  event::LibeventDispatcher& dispatcher() { return dispatcher_; }

  /** Runs `work` on the thread, and waits until it has. */
  template <class Work>
  void run(Work&& work) {
    std::promise<void> done;
    dispatcher_.post([&work, &done] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  event::LibeventDispatcher dispatcher_;
  std::thread thread_;
};

}  // namespace sluice::test
