#include "source/xds/file_watcher.h"

#include <sys/stat.h>

#include <vector>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "test/xds/temporary_directory.h"

namespace sluice::xds {
namespace {

using Names = std::vector<std::string>;

class FileWatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto watcher = FileWatcher::create(main_);
    ASSERT_TRUE(watcher.ok());
    watcher_ = *std::move(watcher);
  }
  std::unique_ptr<FileWatcher::Handle> watch(FileWatcher::On on, Names& names) {
    auto handle =
        watcher_->watchDirectory(directory_.path(), on, [&names](absl::string_view name) { names.emplace_back(name); });
    EXPECT_TRUE(handle.ok()) << handle.status();
    return handle.ok() ? *std::move(handle) : nullptr;
  }
  /** What the kernel has told by now; it tells of a change before the call that made it returns. */
  void poll() {
    main_.post([] {});
    main_.run(event::Dispatcher::RunType::NonBlock);
    main_.run(event::Dispatcher::RunType::NonBlock);
  }

  test::TemporaryDirectory directory_;
  event::LibeventDispatcher main_{"main_thread"};
  std::unique_ptr<FileWatcher> watcher_;
};

TEST_F(FileWatcherTest, TellsOfAtomicReplacementOnly) {
  Names moved, any;
  auto on_moved = watch(FileWatcher::On::Moved, moved);
  auto on_any = watch(FileWatcher::On::AnyChange, any);
  directory_.write("a.yaml", "x");
  poll();
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(any, Names{"a.yaml"});
  directory_.replace("a.yaml", "y");
  poll();
  EXPECT_EQ(moved, Names{"a.yaml"});
  EXPECT_EQ(any.back(), "a.yaml");
  any.clear();
  directory_.remove("a.yaml");
  poll();
  EXPECT_EQ(any, Names{"a.yaml"});
}

TEST_F(FileWatcherTest, EndedWatchesAreSilent) {
  Names first, second;
  auto a = watch(FileWatcher::On::Moved, first);
  auto b = watch(FileWatcher::On::Moved, second);
  a.reset();
  directory_.replace("x", "1");
  poll();
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second, Names{"x"});
  b.reset();
  directory_.replace("x", "2");
  poll();
  EXPECT_EQ(second, Names{"x"});
}

TEST_F(FileWatcherTest, WatchMayEndInItsOwnCallback) {
  std::unique_ptr<FileWatcher::Handle> handle;
  int told = 0;
  auto made = watcher_->watchDirectory(directory_.path(), FileWatcher::On::Moved, [&](absl::string_view) {
    ++told;
    handle.reset();
  });
  ASSERT_TRUE(made.ok());
  handle = *std::move(made);
  directory_.replace("x", "1");
  directory_.replace("y", "1");
  poll();
  EXPECT_EQ(told, 1);
}

TEST_F(FileWatcherTest, MissingDirectoryIsAnError) {
  const auto handle = watcher_->watchDirectory("/no/such/place", FileWatcher::On::Moved, [](absl::string_view) {});
  ASSERT_FALSE(handle.ok());
  EXPECT_NE(handle.status().message().find("/no/such/place"), absl::string_view::npos);
}

TEST(SplitPath, GivesDirectoryAndName) {
  EXPECT_EQ(splitPath("/etc/x/y.yaml"), (std::pair<std::string, std::string>{"/etc/x", "y.yaml"}));
  EXPECT_EQ(splitPath("/y"), (std::pair<std::string, std::string>{"/", "y"}));
  EXPECT_EQ(splitPath("y"), (std::pair<std::string, std::string>{".", "y"}));
}

}  // namespace
}  // namespace sluice::xds
