#include "source/cluster/load_balancer.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

namespace sluice::cluster {
namespace {

struct Spec {
  uint32_t weight = 1;
  EdsHealth health = EdsHealth::Healthy;
  uint32_t priority = 0;
  uint32_t locality = 0;
};

std::unique_ptr<EndpointSet> makeSet(const std::vector<Spec>& specs, const HealthRules& rules = {},
                                     std::vector<LocalityWeight> locality_weights = {}) {
  std::vector<EndpointSet::Entry> entries;
  uint16_t port = 1;
  for (const Spec& spec : specs) {
    EndpointSet::Entry entry;
    entry.endpoint = std::make_shared<Endpoint>(*net::Address::ip("10.0.0.1", port++), "");
    entry.weight = spec.weight;
    entry.health = spec.health;
    entry.priority = spec.priority;
    entry.locality = spec.locality;
    entries.push_back(std::move(entry));
  }
  return std::make_unique<EndpointSet>(std::move(entries), std::vector<Locality>(4), rules,
                                       std::move(locality_weights));
}

class LoadBalancerTest : public testing::Test {
 protected:
  void use(std::unique_ptr<EndpointSet> set, LbPolicy policy = LbPolicy::RoundRobin) {
    set_ = std::move(set);
    balancer_ = LoadBalancer::create({.policy = policy}, *set_, random_, &worker_);
  }
  /** The port of the next pick, which names the endpoint; 0 when there is none. */
  int pick() {
    const EndpointSet::Entry* entry = balancer_->pick(LoadBalancerContext(), panicked_);
    return entry == nullptr ? 0 : entry->endpoint->address().port();
  }
  std::map<int, int> picks(int count) {
    std::map<int, int> result;
    for (int i = 0; i < count; ++i) {
      ++result[pick()];
    }
    return result;
  }

  base::Random random_{7};
  std::unique_ptr<EndpointSet> set_;
  std::unique_ptr<LoadBalancer> balancer_;
  bool panicked_ = false;
  char worker_ = 0;
};

/** Of 100 picks, those that healthy endpoints of priority 0 get. */
uint32_t healthyLoad(const EndpointSet& set) {
  uint32_t percent = 0;
  for (const LoadShare& share : set.shares()) {
    for (const uint32_t index : set.groups()[share.first_group].indexes) {
      if (share.priority == 0 && toHealth(set.entries()[index].health) == Health::Healthy) {
        percent += share.percent;
        break;
      }
    }
  }
  return percent;
}

TEST_F(LoadBalancerTest, RoundRobinGoesAround) {
  use(makeSet({{}, {}, {}}));
  const int first = pick();
  const int second = pick();
  const int third = pick();
  EXPECT_EQ((std::map<int, int>{{1, 100}, {2, 100}, {3, 100}}), picks(300));
  EXPECT_EQ(first, pick());
  EXPECT_EQ(second, pick());
  EXPECT_EQ(third, pick());
  EXPECT_FALSE(panicked_);
}

TEST_F(LoadBalancerTest, WorkersDoNotWalkInStep) {
  std::map<int, int> starts;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    base::Random random(seed);
    const std::unique_ptr<EndpointSet> set = makeSet({{}, {}, {}, {}});
    bool panicked = false;
    ++starts[LoadBalancer::create({}, *set, random, nullptr)
                 ->pick(LoadBalancerContext(), panicked)
                 ->endpoint->address()
                 .port()];
  }
  EXPECT_EQ(4u, starts.size());
}

TEST_F(LoadBalancerTest, WeightsHoldOverAnyStretch) {
  const std::vector<Spec> specs = {{1}, {3}, {6}};
  use(makeSet(specs));
  std::map<int, int> seen;
  for (int i = 1; i <= 1000; ++i) {
    ++seen[pick()];
    for (int e = 0; e < 3; ++e) {
      EXPECT_LE(std::abs(seen[e + 1] - i * static_cast<double>(specs[e].weight) / 10), 2.0)
          << "after " << i << " picks, endpoint " << e + 1;
    }
  }
}

TEST_F(LoadBalancerTest, WeightsFarApart) {
  use(makeSet({{1}, {1000000}}));
  std::map<int, int> seen = picks(100000);
  EXPECT_LE(seen[1], 2);
}

TEST_F(LoadBalancerTest, RandomPicksAllAlike) {
  use(makeSet({{1}, {9}, {1}, {1}}), LbPolicy::Random);
  std::map<int, int> seen = picks(40000);
  for (int port = 1; port <= 4; ++port) {
    EXPECT_NEAR(10000, seen[port], 500) << port;
  }
}

TEST_F(LoadBalancerTest, UnhealthyOnesGetNothing) {
  for (const LbPolicy policy : {LbPolicy::RoundRobin, LbPolicy::Random, LbPolicy::LeastRequest}) {
    use(makeSet({{}, {1, EdsHealth::Unhealthy}, {1, EdsHealth::Unknown}, {1, EdsHealth::Timeout}}), policy);
    std::map<int, int> seen = picks(1000);
    EXPECT_EQ(0, seen[2] + seen[4]);
    EXPECT_GT(seen[1], 400);
    EXPECT_GT(seen[3], 400);
    EXPECT_FALSE(panicked_) << "half of them is not below half";
  }
}

TEST_F(LoadBalancerTest, PanicsBelowTheThreshold) {
  use(makeSet({{}, {1, EdsHealth::Unhealthy}, {1, EdsHealth::Unhealthy}}));
  EXPECT_EQ(3u, picks(300).size());
  EXPECT_TRUE(panicked_);
  use(makeSet({{}, {1, EdsHealth::Unhealthy}, {1, EdsHealth::Unhealthy}}, {.panic_percent = 30}));
  EXPECT_EQ((std::map<int, int>{{1, 300}}), picks(300));
  EXPECT_FALSE(panicked_);
}

TEST_F(LoadBalancerTest, WithoutPanicNothingHealthyIsNothing) {
  use(makeSet({{1, EdsHealth::Unhealthy}}, {.panic_percent = 0}));
  EXPECT_EQ(0, pick());
  EXPECT_FALSE(panicked_);
}

TEST_F(LoadBalancerTest, NoEndpoints) {
  for (const LbPolicy policy : {LbPolicy::RoundRobin, LbPolicy::Random, LbPolicy::LeastRequest}) {
    use(makeSet({}), policy);
    EXPECT_EQ(0, pick());
  }
}

TEST_F(LoadBalancerTest, DrainingOnesDoNotCountForPanic) {
  use(makeSet({{}, {1, EdsHealth::Draining}, {1, EdsHealth::Draining}, {1, EdsHealth::Draining}}));
  EXPECT_EQ((std::map<int, int>{{1, 100}}), picks(100));
  EXPECT_FALSE(panicked_);
  EXPECT_EQ(3u, set_->excludedCount());
}

TEST_F(LoadBalancerTest, DegradedOnesHelpWhereHealthyOnesAreTooFew) {
  // Overprovisioned by 1.4, one healthy of four is good for 35 % of the traffic.
  use(makeSet({{}, {1, EdsHealth::Degraded}, {1, EdsHealth::Degraded}, {1, EdsHealth::Degraded}}));
  EXPECT_EQ(35u, healthyLoad(*set_));
  std::map<int, int> seen = picks(10000);
  EXPECT_NEAR(3500, seen[1], 200);
  EXPECT_NEAR(2167, seen[2], 200);
  EXPECT_FALSE(panicked_);
  // Three of four are enough.
  use(makeSet({{}, {}, {}, {1, EdsHealth::Degraded}}));
  EXPECT_EQ(100u, healthyLoad(*set_));
  EXPECT_EQ(0, picks(100)[4]);
}

TEST_F(LoadBalancerTest, OnlyDegradedOnes) {
  use(makeSet({{1, EdsHealth::Degraded}, {1, EdsHealth::Unhealthy}}));
  EXPECT_EQ((std::map<int, int>{{1, 100}}), picks(100));
}

TEST_F(LoadBalancerTest, HealthByWeight) {
  // One of two endpoints is half of them, and a tenth of the weight.
  const std::vector<Spec> specs = {{1}, {9, EdsHealth::Degraded}};
  use(makeSet(specs));
  EXPECT_EQ(70u, healthyLoad(*set_));
  use(makeSet(specs, {.weighted_priority_health = true}));
  EXPECT_EQ(14u, healthyLoad(*set_));
}

TEST_F(LoadBalancerTest, TheNextPriorityTakesWhatTheFirstCanNot) {
  constexpr EdsHealth kUp = EdsHealth::Healthy;
  constexpr EdsHealth kDown = EdsHealth::Unhealthy;
  for (const LbPolicy policy : {LbPolicy::RoundRobin, LbPolicy::Random, LbPolicy::LeastRequest}) {
    use(makeSet({{1, kUp, 0}, {1, kUp, 1}}), policy);
    EXPECT_EQ((std::map<int, int>{{1, 100}}), picks(100));
    use(makeSet({{1, kDown, 0}, {1, kUp, 1}}), policy);
    EXPECT_EQ((std::map<int, int>{{2, 100}}), picks(100));
    EXPECT_FALSE(panicked_);
    use(makeSet({{1, kUp, 0}, {1, kDown, 0}, {1, kUp, 1}}), policy);
    std::map<int, int> seen = picks(10000);
    EXPECT_NEAR(7000, seen[1], 200);
    EXPECT_EQ(0, seen[2]);
  }
}

TEST_F(LoadBalancerTest, APriorityWithoutEndpointsIsPassedOver) {
  use(makeSet({{1, EdsHealth::Healthy, 2}}));
  EXPECT_EQ(1, pick());
}

TEST_F(LoadBalancerTest, LocalitiesShareByWeight) {
  const std::vector<LocalityWeight> weights = {{0, 0, 1}, {0, 1, 4}, {1, 0, 1}};
  const std::vector<Spec> specs = {
      {}, {1, EdsHealth::Healthy, 0, 1}, {1, EdsHealth::Healthy, 0, 1}, {1, EdsHealth::Healthy, 0, 2}};
  use(makeSet(specs, {.locality_weighted = true}, weights));
  EXPECT_EQ((std::map<int, int>{{1, 200}, {2, 400}, {3, 400}}), picks(1000)) << "and without a weight nothing";
  use(makeSet(specs, {}, weights));
  EXPECT_EQ((std::map<int, int>{{1, 250}, {2, 250}, {3, 250}, {4, 250}}), picks(1000)) << "only where it is asked for";
  use(makeSet(specs, {.locality_weighted = true}));
  EXPECT_EQ(4u, picks(1000).size()) << "without any weight, all alike";
}

TEST_F(LoadBalancerTest, LocalitiesThatArePartlyDownGetLess) {
  // One of two up, overprovisioned: 70 % of its weight.
  use(makeSet({{}, {1, EdsHealth::Unhealthy}, {1, EdsHealth::Healthy, 0, 1}}, {.locality_weighted = true},
              {{0, 0, 1}, {0, 1, 1}}));
  const std::map<int, int> seen = picks(1700);
  EXPECT_NEAR(700, seen.at(1), 2);
  EXPECT_NEAR(1000, seen.at(3), 2);
}

TEST_F(LoadBalancerTest, PanicMayFail) {
  use(makeSet({{}, {1, EdsHealth::Unhealthy}, {1, EdsHealth::Unhealthy}}, {.fail_on_panic = true}));
  EXPECT_EQ(0, pick());
  EXPECT_TRUE(panicked_);
}

TEST_F(LoadBalancerTest, LeastRequestAvoidsTheBusy) {
  use(makeSet({{}, {}, {}, {}}), LbPolicy::LeastRequest);
  set_->entries()[0].endpoint->requestsOf(&worker_).addActive(100);
  std::map<int, int> seen = picks(16000);
  // Only where both choices are the busy one.
  EXPECT_NEAR(1000, seen[1], 200);
  EXPECT_NEAR(5000, seen[2], 300);
}

TEST_F(LoadBalancerTest, LeastRequestLessensWeights) {
  use(makeSet({{2}, {1}}), LbPolicy::LeastRequest);
  EXPECT_NEAR(2000, picks(3000)[1], 2);
  set_->entries()[0].endpoint->requestsOf(&worker_).addActive(3);
  EXPECT_NEAR(1000, picks(3000)[1], 4) << "2 / (3 + 1) against 1";
}

TEST_F(LoadBalancerTest, OnlyRotationsAndChanceCanBeForeseen) {
  use(makeSet({{}, {}}));
  const EndpointSet::Entry* const next = balancer_->peek(LoadBalancerContext());
  ASSERT_NE(nullptr, next);
  EXPECT_EQ(next->endpoint->address().port(), pick());
  use(makeSet({{}, {}}), LbPolicy::LeastRequest);
  EXPECT_EQ(nullptr, balancer_->peek(LoadBalancerContext()));
}

TEST_F(LoadBalancerTest, OverprovisioningIsTheAssignments) {
  use(makeSet({{}, {1, EdsHealth::Degraded}}, {.overprovisioning_percent = 100}));
  EXPECT_EQ(50u, healthyLoad(*set_));
}

}  // namespace
}  // namespace sluice::cluster
