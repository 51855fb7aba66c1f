#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

#include "source/access_log/operators.h"

namespace sluice::access_log {
namespace {

TEST(OperatorsPageTest, IsWhatTheCodeSays) {
  std::stringstream page;
  page << std::ifstream("docs/access_logs.md").rdbuf();
  EXPECT_EQ(page.str(), operatorsPage(OperatorTable())) << "run: bazel run //source/access_log:operators_page";
}

}  // namespace
}  // namespace sluice::access_log
