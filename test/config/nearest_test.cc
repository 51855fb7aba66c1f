#include "source/config/nearest.h"

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

const std::vector<std::string>& words() {
  static const auto* list = new std::vector<std::string>{"connect_timeout", "lb_policy", "name", "--concurrency", "id"};
  return *list;
}

TEST(Nearest, FindsMisspellings) {
  EXPECT_EQ(nearest("conect_timeout", words()), "connect_timeout");
  EXPECT_EQ(nearest("connectTimeuot", words()), "connect_timeout");
  EXPECT_EQ(nearest("lb-policy", words()), "lb_policy");
  EXPECT_EQ(nearest("--concurency", words()), "--concurrency");
  EXPECT_EQ(nearest("nmae", words()), "name");
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest("typed_config", words()), "");
  EXPECT_EQ(nearest("xy", words()), "");
  EXPECT_EQ(nearest("", words()), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), words()), "");
  EXPECT_EQ(nearest("name", {}), "");
}

TEST(Nearest, AsAQuestion) {
  EXPECT_EQ(didYouMean("nam", words()), " (did you mean 'name'?)");
  EXPECT_EQ(didYouMean("quite_different", words()), "");
}

}  // namespace
}  // namespace sluice::config
