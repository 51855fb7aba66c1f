#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

#include "source/http/access_log_operators.h"

namespace sluice::http {
namespace {

TEST(OperatorsPageTest, IsWhatTheCodeSays) {
  std::stringstream page;
  page << std::ifstream("docs/access_logs.md").rdbuf();
  EXPECT_EQ(page.str(), access_log::operatorsPage(accessLogOperators()))
      << "run: bazel run //source/http:operators_page";
}

}  // namespace
}  // namespace sluice::http
