#include "source/cluster/priority_load.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::cluster {
namespace {

/** Of 100 endpoints. */
PriorityHealth of(uint64_t healthy, uint64_t degraded = 0, uint64_t all = 100) {
  PriorityHealth health;
  health.all = {all, all};
  health.healthy = {healthy, healthy};
  health.degraded = {degraded, degraded};
  return health;
}

std::string text(const std::vector<PriorityLoad>& loads) {
  std::string text;
  for (const PriorityLoad& load : loads) {
    text += (text.empty() ? "" : " ") + std::to_string(load.healthy) + "+" + std::to_string(load.degraded) +
            (load.panic ? "!" : "");
  }
  return text;
}

std::string loads(const std::vector<PriorityHealth>& priorities, const HealthRules& rules = {}) {
  return text(distributeLoad(priorities, rules));
}

// The tables of Envoy's documentation, "Priority levels".
TEST(PriorityLoadTest, TwoPriorities) {
  EXPECT_EQ("100+0 0+0", loads({of(100), of(100)}));
  EXPECT_EQ("100+0 0+0", loads({of(72), of(100)}));
  EXPECT_EQ("99+0 1+0", loads({of(71), of(100)}));
  EXPECT_EQ("70+0 30+0", loads({of(50), of(100)}));
  EXPECT_EQ("35+0 65+0", loads({of(25), of(100)}));
  EXPECT_EQ("0+0 100+0", loads({of(0), of(100)}));
}

TEST(PriorityLoadTest, LoadIsScaledWhereTheTotalIsTooLow) {
  // 35 and 35 of the 70 that are left; both below the threshold.
  EXPECT_EQ("50+0! 50+0!", loads({of(25), of(25)}));
  EXPECT_EQ("50+0 50+0", loads({of(25), of(25)}, {.panic_percent = 0}));
}

TEST(PriorityLoadTest, ThreePriorities) {
  EXPECT_EQ("100+0 0+0 0+0", loads({of(100), of(100), of(100)}));
  EXPECT_EQ("35+0 35+0 30+0", loads({of(25), of(25), of(100)}));
  EXPECT_EQ("35+0 0+0 65+0", loads({of(25), of(0), of(100)}));
}

TEST(PriorityLoadTest, PanicOfSomePrioritiesOnly) {
  // Together they are good for 28 + 70 of 100: the first panics, and keeps its share.
  EXPECT_EQ("29+0! 71+0", loads({of(20), of(50)}));
}

TEST(PriorityLoadTest, NoPanicWhileTheTotalIsEnough) { EXPECT_EQ("7+0 93+0", loads({of(5), of(100)})); }

TEST(PriorityLoadTest, InTotalPanicNumbersCount) {
  EXPECT_EQ("50+0! 50+0!", loads({of(0), of(0)}));
  EXPECT_EQ("75+0! 25+0!", loads({of(1, 0, 300), of(0, 0, 100)}));
  EXPECT_EQ("34+0! 33+0! 33+0!", loads({of(0), of(0), of(0)})) << "what rounding leaves is the first's";
  EXPECT_EQ("0+0! 100+0!", loads({of(0, 0, 0), of(0)}));
  EXPECT_EQ("100+0!", loads({of(0, 0, 0)}));
}

TEST(PriorityLoadTest, WithoutPanicTheFirstHasWhatNobodyCanTake) {
  EXPECT_EQ("100+0 0+0", loads({of(0), of(0)}, {.panic_percent = 0}));
}

// The documentation's table of degraded endpoints.
TEST(PriorityLoadTest, HealthyEndpointsOfLaterPrioritiesComeBeforeDegradedOnes) {
  EXPECT_EQ("100+0", loads({of(100)}));
  EXPECT_EQ("35+65", loads({of(25, 75)}));
  EXPECT_EQ("70+30", loads({of(50, 50)}));
  EXPECT_EQ("35+0 65+0", loads({of(25, 75), of(100)}));
  EXPECT_EQ("35+30 35+0", loads({of(25, 75), of(25, 75)}));
  EXPECT_EQ("0+100 0+0", loads({of(0, 100), of(0, 100)}));
}

TEST(PriorityLoadTest, ByWeight) {
  PriorityHealth first = of(50);
  first.healthy.weight = 10;
  EXPECT_EQ("14+0 86+0", loads({first, of(100)}, {.weighted_priority_health = true}));
}

TEST(PriorityLoadTest, ExcludedOnesAreNoneOfAll) {
  PriorityHealth first = of(50);
  first.excluded = {50, 50};
  EXPECT_EQ("100+0 0+0", loads({first, of(100)}));
}

TEST(PriorityLoadTest, LoadsAlwaysAddUp) {
  for (uint64_t a = 0; a <= 100; a += 7) {
    for (uint64_t b = 0; b <= 100; b += 9) {
      for (uint64_t c = 0; c + b <= 100; c += 11) {
        for (const double panic : {0.0, 50.0}) {
          uint32_t sum = 0;
          for (const PriorityLoad& load : distributeLoad({of(a), of(b, c), of(c, b)}, {.panic_percent = panic})) {
            sum += load.healthy + load.degraded;
          }
          EXPECT_EQ(100u, sum) << a << " " << b << " " << c;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::cluster
