#include "source/event/signal.h"

#include <signal.h>

#include <memory>

#include "gtest/gtest.h"

namespace sluice::event {
namespace {

using RunType = Dispatcher::RunType;

TEST(SignalTest, CallsBackInTheLoopEachTime) {
  LibeventDispatcher dispatcher("main_thread");
  int caught = 0;
  auto event = dispatcher.createSignalEvent(SIGUSR1, [&] {
    ++caught;
    dispatcher.exit();
  });
  for (int i = 1; i <= 2; ++i) {
    ::raise(SIGUSR1);
    EXPECT_EQ(caught, i - 1);
    dispatcher.run(RunType::UntilExit);
    EXPECT_EQ(caught, i);
  }
}

TEST(SignalTest, CallbackMayDeleteItsEvent) {
  LibeventDispatcher dispatcher("main_thread");
  std::unique_ptr<SignalEvent> event;
  event = dispatcher.createSignalEvent(SIGUSR2, [&] {
    event.reset();
    dispatcher.exit();
  });
  ::raise(SIGUSR2);
  dispatcher.run(RunType::UntilExit);
  EXPECT_EQ(event, nullptr);
}

}  // namespace
}  // namespace sluice::event
