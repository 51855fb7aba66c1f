#include "source/admin/logging_page.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"

#include "source/base/logging.h"

namespace sluice::admin {
namespace {

using base::LogId;
using base::LogLevel;

class LoggingPage : public testing::Test {
 protected:
  LoggingPage() { base::log::setLevel(LogLevel::Warning); }
  ~LoggingPage() override { base::log::setLevel(LogLevel::Info); }

  static LoggingAnswer change(absl::string_view query) {
    Request request;
    request.parameters = parseQuery(query);
    return changeLogLevels(request);
  }
};

TEST_F(LoggingPage, listsWithoutParameters) {
  const LoggingAnswer answer = change("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(absl::StartsWith(answer.text, "active loggers:\n  a2a: warning\n  admin: warning\n")) << answer.text;
  EXPECT_TRUE(absl::EndsWith(answer.text, "\n\n"));
}

TEST_F(LoggingPage, changesOneSomeOrAll) {
  EXPECT_EQ(change("upstream=trace").status, 200);
  EXPECT_EQ(base::log::level(LogId::upstream), LogLevel::Trace);
  EXPECT_EQ(base::log::level(LogId::config), LogLevel::Warning);
  EXPECT_TRUE(absl::StrContains(change("paths=upstream:debug,config:info").text, "  config: info\n"));
  EXPECT_EQ(base::log::level(LogId::upstream), LogLevel::Debug);
  EXPECT_EQ(change("level=error").status, 200);
  EXPECT_EQ(base::log::level(LogId::upstream), LogLevel::Error);
  // As the form of the index page sends it.
  EXPECT_EQ(change("paths=&level=info").status, 200);
  EXPECT_EQ(base::log::level(LogId::upstream), LogLevel::Info);
}

TEST_F(LoggingPage, refusesWithTheReasonAndChangesNothing) {
  const std::pair<const char*, const char*> wrong[] = {
      {"nosuch=trace", "error: unknown logger name\n\nusage: /logging?<name>=<level> (change single level)\n"},
      {"level=bad", "error: unknown logger level\n\n"},
      {"paths=upstream:debug,nosuch:info", "error: unknown logger name\n\n"},
      {"paths=upstream", "error: empty logger name or empty logger level\n\n"},
      {"upstream=debug&config=info", "error: invalid number of parameters\n\n"},
  };
  for (const auto& [query, text] : wrong) {
    const LoggingAnswer answer = change(query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_TRUE(absl::StartsWith(answer.text, text)) << answer.text;
    EXPECT_TRUE(
        absl::StrContains(answer.text, "levels: trace debug info warning error critical off \nactive loggers:\n"));
    EXPECT_EQ(base::log::level(LogId::upstream), LogLevel::Warning) << query;
  }
}

}  // namespace
}  // namespace sluice::admin
