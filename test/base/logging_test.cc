#include "source/base/logging.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LoggingTest : public ::testing::Test {
 protected:
  LoggingTest() {
    log::setObserver([this](absl::string_view line) { lines_.emplace_back(line); });
  }
  ~LoggingTest() override {
    log::setObserver(nullptr);
    log::setFormat(log::kDefaultFormat);
    log::setEscapeNewlines(false);
    log::setLevel(LogLevel::Info);
  }

  std::vector<std::string> lines_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_F(LoggingTest, WritesEnvoysFormat) {
  const absl::string_view name = "be";
  LOG_INFO(upstream, "cluster {} has {} hosts: {}", name, 3, absl::NotFoundError("gone"));
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], MatchesRegex("\\[20[0-9-]+ [0-9:.]+\\]\\[[0-9]+\\]\\[info\\]\\[upstream\\] "
                                      "\\[.*test/base/logging_test.cc:[0-9]+\\] "
                                      "cluster be has 3 hosts: NOT_FOUND: gone\n"));
}

TEST_F(LoggingTest, LevelsAreEachComponentsOwn) {
  EXPECT_TRUE(log::setComponentLevels("upstream:debug,connection:off").ok());
  LOG_DEBUG(upstream, "seen");
  LOG_DEBUG(http, "unseen");
  LOG_CRITICAL(connection, "unseen");
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], HasSubstr("seen"));
  EXPECT_EQ(log::level(LogId::upstream), LogLevel::Debug);
  log::setLevel(LogLevel::Trace);
  LOG_TRACE(http, "seen too");
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(LoggingTest, ADisabledLineDoesNotEvaluateItsArguments) {
  int evaluated = 0;
  LOG_DEBUG(main, "{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
}

TEST_F(LoggingTest, ComponentListIsAppliedWholeOrNotAtAll) {
  const absl::Status unknown = log::setComponentLevels("upstream:trace,nonsense:debug");
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("no log component 'nonsense'"));
  EXPECT_THAT(std::string(log::setComponentLevels("upstream:loud").message()), HasSubstr("'upstream:loud'"));
  EXPECT_FALSE(log::setComponentLevels("upstream").ok());
  EXPECT_EQ(log::level(LogId::upstream), LogLevel::Info);
}

TEST_F(LoggingTest, ListsEveryComponentByName) {
  ASSERT_TRUE(log::setComponentLevels("wasm:error").ok());
  const auto list = log::listLevels();
  ASSERT_EQ(list.size(), static_cast<size_t>(LogId::Count));
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
  for (const auto& [name, level] : list) {
    EXPECT_EQ(level, name == "wasm" ? LogLevel::Error : LogLevel::Info) << std::string(name);
  }
}

TEST_F(LoggingTest, ReadsLevelNames) {
  LogLevel level = LogLevel::Off;
  EXPECT_TRUE(parseLogLevel("warn", level));
  EXPECT_EQ(level, LogLevel::Warning);
  EXPECT_EQ(logLevelName(level), "warning");
  EXPECT_FALSE(parseLogLevel("INFO", level));
}

TEST_F(LoggingTest, EscapesAsTheFormatAsks) {
  log::setFormat("%l|%v|%_|%j|%*");
  LOG_INFO(main, "a \"b\"\n{}", "c\\");
  log::setFormat("%v");
  log::setEscapeNewlines(true);
  LOG_INFO(main, "x\ny");
  EXPECT_THAT(lines_, ElementsAre("info|a \"b\"\nc\\|a \"b\"\\nc\\|a \\\"b\\\"\\nc\\\\|\n", "x\\ny\n"));
}

TEST_F(LoggingTest, FollowsItsFileAfterRotation) {
  // The log keeps its file to the end of the process, so only a child may open one.
  const std::string path = ::testing::TempDir() + "sluice_logging_test." + std::to_string(::getpid());
  const std::string old_path = path + ".old";
  EXPECT_EXIT(
      {
        log::setObserver(nullptr);
        log::setFormat("%v");
        bool ok = log::openFile(path).ok();
        LOG_INFO(main, "before");
        ok = ok && std::rename(path.c_str(), old_path.c_str()) == 0;
        LOG_INFO(main, "still the old one");
        ok = ok && log::reopen().ok();
        LOG_INFO(main, "after");
        ok = ok && !log::openFile("/no/such/folder/log").ok();
        LOG_INFO(main, "stays");
        std::_Exit(ok ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(contents(old_path), "before\nstill the old one\n");
  EXPECT_EQ(contents(path), "after\nstays\n");
  std::remove(path.c_str());
  std::remove(old_path.c_str());
}

TEST_F(LoggingTest, LinesOfThreadsDoNotMix) {
  log::setFormat("%v");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int line = 0; line < 200; ++line) {
        LOG_INFO(main, "{0}{0}{0}{0}", i);
      }
    });
  }
  // Levels may change meanwhile.
  for (int turn = 0; turn < 100; ++turn) {
    ASSERT_TRUE(log::setComponentLevels(turn % 2 == 0 ? "http:debug" : "http:info").ok());
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  ASSERT_EQ(lines_.size(), 800u);
  for (const std::string& line : lines_) {
    EXPECT_THAT(line, MatchesRegex("0000\n|1111\n|2222\n|3333\n"));
  }
}

}  // namespace
}  // namespace sluice::base
