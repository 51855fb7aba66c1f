#include "source/runtime/snapshot.h"

#include "gtest/gtest.h"

#include "source/config/loader.h"

namespace sluice::runtime {
namespace {

class SnapshotTest : public testing::Test {
 protected:
  std::shared_ptr<const Snapshot> load(absl::string_view yaml) {
    envoy::config::bootstrap::v3::LayeredRuntime runtime;
    EXPECT_TRUE(config::parseYaml(yaml, runtime, {}, nullptr, violations_)) << violations_.toString();
    return Snapshot::create(runtime, config::FieldPath("layered_runtime"), violations_);
  }

  config::Violations violations_;
};

TEST_F(SnapshotTest, KeysArePathsJoinedByDots) {
  const auto snapshot = load(R"(
layers:
- name: static
  static_layer:
    envoy:
      resource_limits: {listener: {lim: {connection_limit: 2}}}
    envoy.resource_limits.listener.other: {connection_limit: 3}
    re2.max_program_size.error_level: 32768
)");
  EXPECT_EQ(violations_.toString(), "");
  EXPECT_EQ(snapshot->getInteger("envoy.resource_limits.listener.lim.connection_limit", 0), 2);
  EXPECT_EQ(snapshot->getInteger("envoy.resource_limits.listener.other.connection_limit", 0), 3);
  EXPECT_EQ(snapshot->getInteger("re2.max_program_size.error_level", 0), 32768);
  EXPECT_EQ(snapshot->getInteger("envoy.resource_limits", 7), 7);
  EXPECT_FALSE(snapshot->has("envoy"));
}

TEST_F(SnapshotTest, LaterLayersWin) {
  const auto snapshot = load(R"(
layers:
- {name: one, static_layer: {a: 1, b: 1}}
- {name: two, static_layer: {b: 2}}
- {name: admin, admin_layer: {}}
)");
  EXPECT_EQ(violations_.toString(), "");
  EXPECT_EQ(snapshot->getInteger("a", 0), 1);
  EXPECT_EQ(snapshot->getInteger("b", 0), 2);
  EXPECT_EQ(snapshot->layers(), (std::vector<std::string>{"one", "two", "admin"}));
  const auto entries = snapshot->entries();
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].first, "a");
  EXPECT_EQ(entries[0].second.layer_values, (std::vector<std::string>{"1", "", ""}));
  EXPECT_EQ(entries[1].second.layer_values, (std::vector<std::string>{"1", "2", ""}));
  EXPECT_EQ(entries[1].second.final_value, "2");
}

TEST_F(SnapshotTest, ValuesOfEachKind) {
  const auto snapshot = load(R"(
layers:
- name: s
  static_layer: {i: 5, neg: -5, big: 1e300, d: 0.25, t: true, f: "false", text: word, number_text: "12", half: 2.9,
                 percent: {numerator: 3, denominator: TEN_THOUSAND}, share: 40, too_much: 400}
)");
  EXPECT_EQ(violations_.toString(), "");
  EXPECT_EQ(snapshot->getInteger("i", 0), 5);
  EXPECT_EQ(snapshot->getInteger("neg", 8), 8);
  EXPECT_EQ(snapshot->getInteger("big", 8), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(snapshot->getInteger("half", 8), 2);
  EXPECT_EQ(snapshot->getInteger("number_text", 0), 12);
  EXPECT_EQ(snapshot->getInteger("text", 8), 8);
  EXPECT_EQ(snapshot->getInteger("none", 8), 8);
  EXPECT_EQ(snapshot->getDouble("d", 0), 0.25);
  EXPECT_EQ(snapshot->getDouble("neg", 0), -5);
  EXPECT_TRUE(snapshot->getBool("t", false));
  EXPECT_FALSE(snapshot->getBool("f", true));
  EXPECT_TRUE(snapshot->getBool("i", true));
  EXPECT_EQ(snapshot->getFraction("percent", {}), (Fraction{3, 10'000}));
  EXPECT_EQ(snapshot->getFraction("share", {}), (Fraction{40, 100}));
  EXPECT_EQ(snapshot->getFraction("too_much", {}), (Fraction{100, 100}));
  EXPECT_EQ(snapshot->getFraction("text", {1, 2}), (Fraction{1, 2}));
  EXPECT_EQ(snapshot->getFraction("none", {1, 2}), (Fraction{1, 2}));
}

TEST_F(SnapshotTest, AFractionContainsItsShareOfNumbers) {
  EXPECT_FALSE((Fraction{0, 100}).contains(0));
  EXPECT_TRUE((Fraction{100, 100}).contains(99));
  EXPECT_TRUE((Fraction{25, 100}).contains(124));
  EXPECT_FALSE((Fraction{25, 100}).contains(125));
}

TEST_F(SnapshotTest, AllMistakesAreFound) {
  const auto snapshot = load(R"(
layers:
- {name: s, static_layer: {list: [1], null_value: ~, good: 1, p: {numerator: x}}}
- {name: s, static_layer: {}}
- {name: d, disk_layer: {symlink_root: /x}}
- {name: r, rtds_layer: {name: x}}
- {name: e}
)");
  EXPECT_EQ(violations_.toString(),
            "layered_runtime.layers[0].static_layer.list: must be a number, a boolean, a string, or a mapping of such\n"
            "layered_runtime.layers[0].static_layer.null_value: must be a number, a boolean, a string, or a mapping of "
            "such\n"
            "layered_runtime.layers[0].static_layer.p.numerator: expected an integer, got the string \"x\"\n"
            "layered_runtime.layers[1].name: another layer is called 's', too\n"
            "layered_runtime.layers[2].disk_layer: is not supported by Sluice\n"
            "layered_runtime.layers[3].rtds_layer: is not supported by Sluice\n"
            "layered_runtime.layers[4]: holds no layer\n");
  EXPECT_EQ(snapshot->getInteger("good", 0), 1);
}

TEST_F(SnapshotTest, WithoutLayersEverythingFallsBack) {
  const Snapshot empty;
  EXPECT_EQ(empty.getInteger("a", 4), 4);
  EXPECT_TRUE(empty.entries().empty());
}

}  // namespace
}  // namespace sluice::runtime
