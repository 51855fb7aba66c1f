#include "source/stats/stat_cursor.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

const std::vector<StatType> kNumbers = {StatType::Counter, StatType::Gauge};

std::vector<std::string> names(StatCursor& cursor) {
  std::vector<std::string> found;
  StatValue value;
  while (true) {
    switch (cursor.next(value)) {
      case StatCursor::Result::Found:
        found.push_back(value.name);
        break;
      case StatCursor::Result::Pause:
        break;
      case StatCursor::Result::End:
        return found;
    }
  }
}

TEST(StatCursor, OrdersByFullNameAcrossScopes) {
  Store store;
  std::vector<ScopePtr> scopes;
  std::vector<std::string> expected;
  // Prefixes whose order differs from that of their names, and scopes within scopes.
  for (const char* prefix : {"a", "a-b", "a.b", "a.b.c", "ab", "a.bb", "b"}) {
    scopes.push_back(store.createScope(prefix));
    for (const char* name : {"b", "bb", "b.c", "b.c.x", "zz", "A"}) {
      scopes.back()->counter(name);
      expected.push_back(absl::StrCat(prefix, ".", name));
    }
  }
  std::sort(expected.begin(), expected.end());
  // "a.b.b.c" is spelt by two of the scopes, and comes once.
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  StatCursor cursor(store.state(), kNumbers, {});
  EXPECT_EQ(names(cursor), expected);
}

TEST(StatCursor, OneNameOfTwoScopesIsOneStatistic) {
  Store store;
  const ScopePtr a = store.createScope("a");
  const ScopePtr ab = store.createScope("a.b");
  a->counter("b.c").add(2);
  ab->counter("c").add(3);
  StatCursor cursor(store.state(), kNumbers, {});
  StatValue value;
  ASSERT_EQ(cursor.next(value), StatCursor::Result::Found);
  EXPECT_EQ(value.name, "a.b.c");
  EXPECT_EQ(value.value, 5u);
  EXPECT_EQ(cursor.next(value), StatCursor::Result::End);
}

TEST(StatCursor, PausesWhenNothingMatches) {
  Store store;
  std::vector<ScopePtr> scopes;
  for (int i = 0; i < 1000; ++i) {
    scopes.push_back(store.createScope(absl::StrCat("s", i)));
    scopes.back()->counter("x");
  }
  Selection selection;
  selection.filter = std::make_shared<re2::RE2>("^s999\\.");
  StatCursor cursor(store.state(), kNumbers, selection);
  StatValue value;
  int pauses = 0;
  while (cursor.next(value) == StatCursor::Result::Pause) {
    ++pauses;
  }
  EXPECT_EQ(value.name, "s999.x");
  EXPECT_GT(pauses, 5);
}

TEST(StatCursor, SelectsUsedAndMatching) {
  Store store;
  const ScopePtr scope = store.createScope("s");
  scope->counter("used").inc();
  scope->counter("unused");
  scope->gauge("down_again").inc();
  scope->gauge("down_again").dec();
  Selection used;
  used.used_only = true;
  StatCursor cursor(store.state(), kNumbers, used);
  EXPECT_EQ(names(cursor), (std::vector<std::string>{"s.down_again", "s.used"}));
  Selection inverted;
  inverted.filter = std::make_shared<re2::RE2>("used");
  inverted.invert_filter = true;
  StatCursor others(store.state(), kNumbers, inverted);
  EXPECT_EQ(names(others), (std::vector<std::string>{"s.down_again"}));
}

TEST(StatCursor, GoesOnWhenItsNextScopeHasGone) {
  Store store;
  std::vector<ScopePtr> scopes;
  for (int i = 0; i < 10; ++i) {
    scopes.push_back(store.createScope(absl::StrCat("s", i)));
    scopes.back()->counter("x");
  }
  StatCursor cursor(store.state(), kNumbers, {});
  StatValue value;
  ASSERT_EQ(cursor.next(value), StatCursor::Result::Found);
  EXPECT_EQ(value.name, "s0.x");
  for (int i = 1; i < 5; ++i) {
    scopes[static_cast<size_t>(i)].reset();
  }
  const ScopePtr late = store.createScope("s55");
  late->counter("x");
  EXPECT_EQ(names(cursor).back(), "s9.x");
}

}  // namespace
}  // namespace sluice::stats
