#include "source/config/support.h"

#include <fstream>
#include <sstream>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "gtest/gtest.h"

#include "source/config/support_page.h"

namespace sluice::config {
namespace {

std::string errorOf(absl::string_view text) {
  const auto table = SupportTable::parse(text);
  EXPECT_FALSE(table.ok()) << text;
  return std::string(table.status().message());
}

TEST(SupportTable, NamesOnlyWhatTheApiHas) { EXPECT_EQ(SupportTable::builtin().check().toString(), ""); }

TEST(SupportTable, IsWhatTheDocumentationShows) {
  std::ifstream file("docs/xds_support.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), supportPage(SupportTable::builtin()))
      << "docs/xds_support.md is out of date: bazel run //source/config:support_table";
}

TEST(SupportTable, EveryRefusalOfAListedFieldHasAReason) {
  const MessageSupport* cluster = SupportTable::builtin().find("envoy.config.cluster.v3.Cluster");
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(cluster->field("name").support, Support::Supported);
  EXPECT_EQ(cluster->field("type").support, Support::Limited);
  EXPECT_EQ(cluster->field("health_checks").support, Support::Refused);
  EXPECT_NE(cluster->field("health_checks").note, "");
  EXPECT_EQ(cluster->field("no_such_field").support, Support::Refused);
}

TEST(SupportTable, IsReadLineByLine) {
  const auto table = SupportTable::parse(
      "# a comment\n"
      "section One\n"
      "message a.B\n"
      "  supports x y\n"
      "  limits z to ON OFF: there is no more\n"
      "  ignores i j: no harm\n"
      "message a.C all\n"
      "  refuses q: of old: no\n");
  ASSERT_TRUE(table.ok()) << table.status();
  const MessageSupport& b = *table->find("a.B");
  EXPECT_FALSE(b.all);
  EXPECT_EQ(b.field("y").support, Support::Supported);
  EXPECT_EQ(b.field("z").values, (std::vector<std::string>{"ON", "OFF"}));
  EXPECT_EQ(b.field("z").note, "there is no more");
  EXPECT_EQ(b.field("j").note, "no harm");
  EXPECT_EQ(b.field("other").support, Support::Refused);
  const MessageSupport& c = *table->find("a.C");
  EXPECT_EQ(c.field("other").support, Support::Supported);
  EXPECT_EQ(c.field("q").note, "of old: no");
  EXPECT_EQ(table->find("a.D"), nullptr);
  ASSERT_EQ(table->sections().size(), 1);
  EXPECT_EQ(table->sections()[0].messages, (std::vector<std::string>{"a.B", "a.C"}));
}

TEST(SupportTable, SaysWhichLineCannotBeRead) {
  EXPECT_EQ(errorOf("section s\nmessage a\n  allows x\n"), "line 3: unknown word 'allows'");
  EXPECT_EQ(errorOf("section s\nmessage a\nmessage a\n"), "line 3: a is listed twice");
  EXPECT_EQ(errorOf("section s\nmessage a\n supports x\n supports x\n"), "line 4: field x is listed twice");
  EXPECT_EQ(errorOf("message a\n"), "line 1: a message stands before the first section");
  EXPECT_EQ(errorOf("section s\nsupports x\n"), "line 2: a field stands before the first message");
  EXPECT_EQ(errorOf("section s\nmessage a\nignores x\n"), "line 3: what is ignored needs a reason");
  EXPECT_EQ(errorOf("section s\nmessage a\nlimits x: y\n"), "line 3: expected 'limits FIELD to VALUE...'");
}

TEST(SupportTable, CheckFindsNamesThatDoNotExist) {
  const auto table = SupportTable::parse(
      "section s\n"
      "message envoy.config.cluster.v3.Clustre all\n"
      "message envoy.config.cluster.v3.Cluster\n"
      "  supports nmae\n"
      "  limits type to STATIK\n"
      "  limits wait_for_warm_on_init to false\n"
      "  limits connect_timeout to 5\n"
      "  limits load_assignment to 0\n");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->check().toString(),
            "envoy.config.cluster.v3.Clustre: there is no such message\n"
            "envoy.config.cluster.v3.Cluster.nmae: there is no such field\n"
            "envoy.config.cluster.v3.Cluster.type: it has no value 'STATIK'\n"
            "envoy.config.cluster.v3.Cluster.connect_timeout: it has no value '5'\n"
            "envoy.config.cluster.v3.Cluster.load_assignment: it has no value '0'\n");
}

TEST(SupportValue, IsSpelledAsInTheTable) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_lb_policy(envoy::config::cluster::v3::Cluster::RANDOM);
  cluster.mutable_connect_timeout()->set_nanos(500'000'000);
  cluster.mutable_wait_for_warm_on_init();
  cluster.mutable_round_robin_lb_config();
  const auto value = [&cluster](const char* field) {
    return supportValue(cluster, *cluster.GetDescriptor()->FindFieldByName(field), -1);
  };
  EXPECT_EQ(value("lb_policy"), "RANDOM");
  EXPECT_EQ(value("connect_timeout"), "0.500s");
  EXPECT_EQ(value("wait_for_warm_on_init"), "false");
  EXPECT_EQ(value("round_robin_lb_config"), "{}");
  cluster.mutable_round_robin_lb_config()->mutable_slow_start_config();
  EXPECT_EQ(value("round_robin_lb_config"), "{…}");
}

}  // namespace
}  // namespace sluice::config
