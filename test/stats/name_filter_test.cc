#include "source/stats/name_filter.h"

#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

using Kind = NamePattern::Kind;
using Mode = NameFilterConfig::Mode;

NameFilter make(Mode mode, std::vector<NamePattern> patterns) {
  return *NameFilter::create({mode, std::move(patterns)});
}

TEST(NameFilter, AllowsAllByDefault) {
  EXPECT_TRUE(NameFilter().allows("anything"));
  EXPECT_FALSE(make(Mode::RejectAll, {}).allows("anything"));
}

TEST(NameFilter, InclusionAndExclusion) {
  const std::vector<NamePattern> patterns = {{Kind::Prefix, "cluster."}, {Kind::Exact, "server.live"}};
  const NameFilter only = make(Mode::OnlyMatching, patterns);
  EXPECT_TRUE(only.allows("cluster.be.x"));
  EXPECT_TRUE(only.allows("server.live"));
  EXPECT_FALSE(only.allows("server.lives"));
  const NameFilter without = make(Mode::AllButMatching, patterns);
  EXPECT_FALSE(without.allows("cluster.be.x"));
  EXPECT_TRUE(without.allows("listener.x"));
}

TEST(NameFilter, EachKindOfPattern) {
  EXPECT_TRUE(make(Mode::OnlyMatching, {{Kind::Suffix, "_total"}}).allows("a.cx_total"));
  EXPECT_FALSE(make(Mode::OnlyMatching, {{Kind::Suffix, "_total"}}).allows("a.cx_total_x"));
  EXPECT_TRUE(make(Mode::OnlyMatching, {{Kind::Contains, "BE.u", true}}).allows("cluster.be.upstream"));
  EXPECT_FALSE(make(Mode::OnlyMatching, {{Kind::Contains, "BE.u"}}).allows("cluster.be.upstream"));
  EXPECT_TRUE(make(Mode::OnlyMatching, {{Kind::Regex, "cluster\\..*_cx_.*"}}).allows("cluster.be.upstream_cx_total"));
  EXPECT_FALSE(make(Mode::OnlyMatching, {{Kind::Regex, "_cx_"}}).allows("cluster.be.upstream_cx_total"));
}

TEST(NameFilter, RefusesABrokenExpression) {
  const absl::StatusOr<NameFilter> filter = NameFilter::create({Mode::OnlyMatching, {{Kind::Regex, "a("}}});
  ASSERT_FALSE(filter.ok());
  EXPECT_NE(filter.status().message().find("'a('"), absl::string_view::npos);
}

}  // namespace
}  // namespace sluice::stats
