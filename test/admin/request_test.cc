#include "source/admin/request.h"

#include "gtest/gtest.h"

namespace sluice::admin {
namespace {

using Parameters = Request::Parameters;

TEST(Request, takesAQueryApart) {
  EXPECT_EQ(parseQuery("a=1&b&c=&=d&a=2"), (Parameters{{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"a", "2"}}));
  EXPECT_EQ(parseQuery(""), Parameters());
  EXPECT_EQ(parseQuery("&&"), Parameters());
  EXPECT_EQ(parseQuery("a=b=c"), (Parameters{{"a", "b=c"}}));
}

TEST(Request, decodesEscapesAndKeepsBrokenOnes) {
  EXPECT_EQ(parseQuery("f%69lter=%5Ea.%2B%24"), (Parameters{{"filter", "^a.+$"}}));
  EXPECT_EQ(parseQuery("a=%4&b=%zz&c=%"), (Parameters{{"a", "%4"}, {"b", "%zz"}, {"c", "%"}}));
  // A plus is part of many a regular expression.
  EXPECT_EQ(parseQuery("filter=a+b"), (Parameters{{"filter", "a+b"}}));
  EXPECT_EQ(parseForm("filter=a+b%2B"), (Parameters{{"filter", "a b+"}}));
}

TEST(Request, findsTheFirstOfAName) {
  Request request;
  request.parameters = parseQuery("a=1&a=2&b");
  EXPECT_EQ(*request.find("a"), "1");
  EXPECT_TRUE(request.has("b"));
  EXPECT_EQ(request.find("c"), nullptr);
}

}  // namespace
}  // namespace sluice::admin
