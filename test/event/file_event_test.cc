#include "source/event/file_event.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {
int epoll_controls = 0;
uint32_t last_epoll_events = 0;
}  // namespace

// Takes the place of libc's, for libevent too: each change of the epoll set is counted.
extern "C" int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) noexcept {
  ++epoll_controls;
  last_epoll_events = event == nullptr ? 0 : event->events;
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event));
}

namespace sluice::event {
namespace {

using RunType = Dispatcher::RunType;
constexpr uint32_t kAll = ready::kRead | ready::kWrite | ready::kClosed;

class FileEventTest : public testing::Test {
 protected:
  FileEventTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair_), 0); }
  ~FileEventTest() override {
    event_.reset();
    closeFd(pair_[0]);
    closeFd(pair_[1]);
  }
  static void closeFd(int& fd) {
    if (fd >= 0) {
      ::close(fd);
      fd = -1;
    }
  }
  void watch(Trigger trigger, uint32_t bits) {
    event_ = dispatcher_.createFileEvent(pair_[0], trigger, bits, [this](uint32_t seen) { seen_.push_back(seen); });
  }
  void turn() {
    seen_.clear();
    dispatcher_.run(RunType::NonBlock);
  }
  void send(const std::string& data) {
    ASSERT_EQ(::write(pair_[1], data.data(), data.size()), static_cast<ssize_t>(data.size()));
  }
  std::string receive() {
    char data[1024];
    const ssize_t size = ::read(pair_[0], data, sizeof(data));
    return size > 0 ? std::string(data, size) : "";
  }
  using Seen = std::vector<uint32_t>;

  LibeventDispatcher dispatcher_{"test"};
  int pair_[2];
  std::unique_ptr<FileEvent> event_;
  Seen seen_;
};

TEST_F(FileEventTest, EdgeTriggeredTellsEachChangeOnce) {
  watch(Trigger::Edge, kAll);
  turn();
  EXPECT_EQ(seen_, Seen{ready::kWrite});
  turn();
  EXPECT_EQ(seen_, Seen{});
  send("a");
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
  turn();
  EXPECT_EQ(seen_, Seen{}) << "an edge was told twice though nothing was read";
  send("b");
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
  EXPECT_EQ(receive(), "ab");
}

TEST_F(FileEventTest, EdgeTriggeredTellsThePeersEndWithItsLastBytes) {
  watch(Trigger::Edge, kAll);
  turn();
  send("last");
  ::shutdown(pair_[1], SHUT_WR);
  turn();
  EXPECT_EQ(seen_, Seen{kAll});
}

TEST_F(FileEventTest, ResetOfATcpConnectionIsToldAsReadiness) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), length), 0);
  const int server = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  ASSERT_GE(server, 0);
  event_ = dispatcher_.createFileEvent(server, Trigger::Edge, kAll, [this](uint32_t seen) { seen_.push_back(seen); });
  turn();
  const linger abort{1, 0};
  ASSERT_EQ(::setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
  ::close(client);
  turn();
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0] & (ready::kRead | ready::kWrite), ready::kRead | ready::kWrite);
  event_.reset();
  ::close(server);
  ::close(listener);
}

TEST_F(FileEventTest, LevelTriggeredTellsInEachTurnUntilRead) {
  watch(Trigger::Level, ready::kRead);
  turn();
  EXPECT_EQ(seen_, Seen{});
  send("a");
  for (int i = 0; i < 3; ++i) {
    turn();
    EXPECT_EQ(seen_, Seen{ready::kRead});
  }
  EXPECT_EQ(receive(), "a");
  turn();
  EXPECT_EQ(seen_, Seen{});
}

TEST_F(FileEventTest, LevelTriggeredKnowsNoClosed) {
  watch(Trigger::Level, kAll);
  ::shutdown(pair_[1], SHUT_WR);
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
}

TEST_F(FileEventTest, EntersTheSetWithOneSystemCallAndLeavesWithOne) {
  epoll_controls = 0;
  watch(Trigger::Edge, kAll);
  EXPECT_EQ(epoll_controls, 1);
  EXPECT_EQ(last_epoll_events, static_cast<uint32_t>(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
  for (int i = 0; i < 10; ++i) {
    send("request");
    turn();
    EXPECT_EQ(receive(), "request");
    turn();
  }
  EXPECT_EQ(epoll_controls, 1) << "a request changed the epoll set";
  event_.reset();
  EXPECT_EQ(epoll_controls, 2);
}

TEST_F(FileEventTest, ActivateCallsBackInTheNextTurnWhateverTheState) {
  watch(Trigger::Edge, ready::kRead);
  event_->activate(ready::kRead);
  event_->activate(ready::kClosed);
  EXPECT_EQ(seen_, Seen{});
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kClosed}));
  turn();
  EXPECT_EQ(seen_, Seen{});
}

TEST_F(FileEventTest, ActivatedInItsOwnCallbackRunsOnceInEachTurn) {
  int calls = 0;
  event_ = dispatcher_.createFileEvent(pair_[0], Trigger::Edge, ready::kRead, [&](uint32_t) {
    ++calls;
    event_->activate(ready::kRead);
  });
  send("a");
  for (int turns = 1; turns <= 3; ++turns) {
    dispatcher_.run(RunType::NonBlock);
    EXPECT_EQ(calls, turns);
  }
}

TEST_F(FileEventTest, SetEnabledChangesWhatIsWatched) {
  watch(Trigger::Level, ready::kRead);
  send("a");
  event_->setEnabled(0);
  turn();
  EXPECT_EQ(seen_, Seen{});
  event_->setEnabled(ready::kRead | ready::kWrite);
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
  epoll_controls = 0;
  event_->setEnabled(ready::kRead | ready::kWrite);
  EXPECT_EQ(epoll_controls, 0);
}

TEST_F(FileEventTest, EnablingAnEdgeAnewTellsOfWhatIsThere) {
  watch(Trigger::Edge, kAll);
  send("a");
  turn();
  event_->setEnabled(ready::kWrite);
  turn();
  event_->setEnabled(kAll);
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
}

TEST_F(FileEventTest, CallbackMayDeleteItsEvent) {
  auto captured = std::make_shared<std::string>("whole");
  std::string seen;
  event_ = dispatcher_.createFileEvent(pair_[0], Trigger::Edge, kAll, [this, &seen, captured](uint32_t) {
    event_.reset();
    seen = *captured;
  });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(seen, "whole");
  EXPECT_EQ(captured.use_count(), 1);
}

TEST_F(FileEventTest, EventDeletedByAnotherOfItsTurnDoesNotCallBack) {
  int calls = 0;
  std::unique_ptr<FileEvent> other;
  event_ = dispatcher_.createFileEvent(pair_[0], Trigger::Edge, ready::kWrite, [&](uint32_t) {
    ++calls;
    other.reset();
  });
  other = dispatcher_.createFileEvent(pair_[1], Trigger::Edge, ready::kWrite, [&](uint32_t) {
    ++calls;
    event_.reset();
  });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(calls, 1);
}

TEST_F(FileEventTest, DescriptorReusedAtOnceIsWatchedAnew) {
  watch(Trigger::Edge, kAll);
  turn();
  event_.reset();
  const int old_fd = pair_[0];
  closeFd(pair_[0]);
  closeFd(pair_[1]);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair_), 0);
  EXPECT_EQ(pair_[0], old_fd);
  watch(Trigger::Edge, kAll);
  send("a");
  turn();
  EXPECT_EQ(seen_, (Seen{ready::kRead | ready::kWrite}));
}

TEST_F(FileEventTest, DeletedBeforeItsActivationRuns) {
  watch(Trigger::Edge, ready::kRead);
  event_->activate(ready::kRead);
  event_.reset();
  turn();
  EXPECT_EQ(seen_, Seen{});
}

TEST_F(FileEventTest, AConnectionsWatchTellsAllChangesWithOneCallToEnterAndMayBeDeletedInside) {
  class Target : public ReadyTask {
   public:
    void run() override {}
    void onReady(uint32_t bits) override {
      seen.push_back(bits);
      if ((bits & ready::kClosed) != 0) {
        watch.reset();
      }
    }
    Seen seen;
    std::unique_ptr<ConnectionWatch> watch;
  };
  Target target;
  const int before = epoll_controls;
  target.watch = dispatcher_.watchConnection(pair_[0], target);
  ASSERT_NE(target.watch, nullptr);
  turn();
  send("a");
  turn();
  turn();
  EXPECT_EQ(epoll_controls, before + 1);
  closeFd(pair_[1]);
  turn();
  EXPECT_EQ(target.seen, (Seen{ready::kWrite, ready::kRead | ready::kWrite, kAll}));
  EXPECT_EQ(target.watch, nullptr);
}

TEST_F(FileEventTest, AWatchThatTheKernelRefusesIsNull) {
  class Target : public ReadyTask {
   public:
    void run() override {}
    void onReady(uint32_t) override {}
  };
  Target target;
  const int closed = ::dup(pair_[0]);
  ::close(closed);
  EXPECT_EQ(dispatcher_.watchConnection(closed, target), nullptr);
}

}  // namespace
}  // namespace sluice::event
