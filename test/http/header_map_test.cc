#include "source/http/header_map.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace sluice::http {
namespace {

class HeaderMapTest : public testing::Test {
 protected:
  std::vector<std::string> fields() const {
    std::vector<std::string> out;
    headers_.forEach([&](const Header& field) { out.push_back(absl::StrCat(field.name, "=", field.value)); });
    return out;
  }

  base::Arena arena_;
  HeaderMap headers_{arena_};
};

TEST(HeaderNamesTest, EveryKnownNameIsFoundAndNoOther) {
  for (size_t id = 1; id < kHeaderIds; ++id) {
    const absl::string_view name = headerName(static_cast<HeaderId>(id));
    EXPECT_EQ(static_cast<HeaderId>(id), headerId(name)) << name;
    EXPECT_EQ(HeaderId::Other, headerId(absl::StrCat(name, "x"))) << name;
  }
  EXPECT_EQ(HeaderId::Other, headerId(""));
  EXPECT_EQ(HeaderId::Other, headerId("x"));
}

TEST_F(HeaderMapTest, KeepsTheOrderAndFindsBothKindsOfNames) {
  headers_.add(":path", "/a");
  headers_.add("x-custom", "1");
  headers_.add(HeaderId::Host, "h");
  headers_.add("x-custom", "2");
  EXPECT_EQ((std::vector<std::string>{":path=/a", "x-custom=1", "host=h", "x-custom=2"}), fields());
  EXPECT_EQ("/a", headers_.get(HeaderId::Path));
  EXPECT_EQ("1", headers_.get("x-custom"));
  EXPECT_EQ("h", headers_.get("host"));
  EXPECT_EQ(nullptr, headers_.get(HeaderId::Via).data());
  EXPECT_EQ(nullptr, headers_.find("x-none"));
}

TEST_F(HeaderMapTest, AnEmptyValueIsThere) {
  headers_.add("x-empty", "");
  headers_.addView(HeaderId::Via, {});
  EXPECT_NE(nullptr, headers_.get("x-empty").data());
  EXPECT_NE(nullptr, headers_.get(HeaderId::Via).data());
}

TEST_F(HeaderMapTest, SetReplacesAllOfTheName) {
  for (const char* name : {"x-custom", "cookie"}) {
    headers_.add(name, "1");
    headers_.add("between", "x");
    headers_.add(name, "2");
    headers_.add(name, "3");
    headers_.set(name, "new");
    EXPECT_EQ((std::vector<std::string>{absl::StrCat(name, "=new"), "between=x"}), fields());
    EXPECT_EQ(2u, headers_.size());
    headers_.clear();
  }
}

TEST_F(HeaderMapTest, AppendJoinsTheFirst) {
  headers_.append(HeaderId::ForwardedFor, "1.1.1.1");
  headers_.append(HeaderId::ForwardedFor, "2.2.2.2", ", ");
  headers_.append("x-custom", "a");
  headers_.append("x-custom", "b");
  EXPECT_EQ("1.1.1.1, 2.2.2.2", headers_.get(HeaderId::ForwardedFor));
  EXPECT_EQ("a,b", headers_.get("x-custom"));
}

TEST_F(HeaderMapTest, RemovingTheFirstFindsTheNext) {
  headers_.add(HeaderId::SetCookie, "a");
  headers_.add(HeaderId::SetCookie, "b");
  EXPECT_EQ(1u, headers_.removeIf([](const Header& field) { return field.value == "a"; }));
  EXPECT_EQ("b", headers_.get(HeaderId::SetCookie));
  EXPECT_EQ(1u, headers_.remove(HeaderId::SetCookie));
  EXPECT_FALSE(headers_.has(HeaderId::SetCookie));
  EXPECT_EQ(0u, headers_.remove("set-cookie"));
  EXPECT_TRUE(headers_.empty());
}

TEST_F(HeaderMapTest, JoinedGivesAllValues) {
  headers_.add("x-custom", "a");
  EXPECT_EQ("a", headers_.joined("x-custom", arena_));
  headers_.add("x-custom", "b");
  headers_.add("x-custom", "");
  EXPECT_EQ("a,b,", headers_.joined("x-custom", arena_));
  EXPECT_EQ(nullptr, headers_.joined("x-none", arena_).data());
}

TEST_F(HeaderMapTest, GrowsBeyondItsFirstSize) {
  for (int i = 0; i < 1000; ++i) {
    headers_.add(absl::StrCat("x-", i), absl::StrCat(i));
  }
  headers_.add(HeaderId::Via, "v");
  EXPECT_EQ(1001u, headers_.size());
  EXPECT_EQ("999", headers_.get("x-999"));
  EXPECT_EQ("v", headers_.get(HeaderId::Via));
}

TEST_F(HeaderMapTest, ACopyOutlivesItsSource) {
  HeaderMap copy(arena_);
  {
    base::Arena other;
    HeaderMap source(other);
    source.add("x-custom", "value");
    source.add(HeaderId::Path, "/");
    copy.copyFrom(source);
  }
  EXPECT_EQ("value", copy.get("x-custom"));
  EXPECT_EQ("/", copy.get(HeaderId::Path));
}

}  // namespace
}  // namespace sluice::http
