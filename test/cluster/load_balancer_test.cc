#include "source/cluster/load_balancer.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

namespace sluice::cluster {
namespace {

struct Spec {
  uint32_t weight = 1;
  EdsHealth health = EdsHealth::Healthy;
};

std::unique_ptr<EndpointSet> makeSet(const std::vector<Spec>& specs, const HealthRules& rules = {}) {
  std::vector<EndpointSet::Entry> entries;
  uint16_t port = 1;
  for (const Spec& spec : specs) {
    EndpointSet::Entry entry;
    entry.endpoint = std::make_shared<Endpoint>(*net::Address::ip("10.0.0.1", port++), "");
    entry.weight = spec.weight;
    entry.health = spec.health;
    entries.push_back(std::move(entry));
  }
  return std::make_unique<EndpointSet>(std::move(entries), std::vector<Locality>(1), rules);
}

class LoadBalancerTest : public testing::Test {
 protected:
  void use(std::unique_ptr<EndpointSet> set, LbPolicy policy = LbPolicy::RoundRobin) {
    set_ = std::move(set);
    balancer_ = LoadBalancer::create(policy, *set_, random_);
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
};

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
    ++starts[LoadBalancer::create(LbPolicy::RoundRobin, *set, random)
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
  for (const LbPolicy policy : {LbPolicy::RoundRobin, LbPolicy::Random}) {
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
  for (const LbPolicy policy : {LbPolicy::RoundRobin, LbPolicy::Random}) {
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
  EXPECT_EQ(35u, set_->healthyLoad());
  std::map<int, int> seen = picks(10000);
  EXPECT_NEAR(3500, seen[1], 200);
  EXPECT_NEAR(2167, seen[2], 200);
  EXPECT_FALSE(panicked_);
  // Three of four are enough.
  use(makeSet({{}, {}, {}, {1, EdsHealth::Degraded}}));
  EXPECT_EQ(100u, set_->healthyLoad());
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
  EXPECT_EQ(70u, set_->healthyLoad());
  use(makeSet(specs, {.weighted_priority_health = true}));
  EXPECT_EQ(14u, set_->healthyLoad());
}

TEST_F(LoadBalancerTest, OverprovisioningIsTheAssignments) {
  use(makeSet({{}, {1, EdsHealth::Degraded}}, {.overprovisioning_percent = 100}));
  EXPECT_EQ(50u, set_->healthyLoad());
}

}  // namespace
}  // namespace sluice::cluster
