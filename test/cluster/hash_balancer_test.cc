#include "source/cluster/hash_balancer.h"

#include <functional>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "source/cluster/maglev.h"
#include "source/cluster/ring_hash.h"

namespace sluice::cluster {
namespace {

std::vector<HashedEndpoint> endpoints(uint32_t count) {
  std::vector<HashedEndpoint> made;
  for (uint32_t i = 0; i < count; ++i) {
    made.push_back({.index = i, .weight = 1.0 / count, .key = absl::StrCat("10.0.0.", i, ":80")});
  }
  return made;
}

using Make = std::function<std::unique_ptr<HashTable>(const std::vector<HashedEndpoint>&)>;
const Make kRing = [](const auto& from) { return std::make_unique<RingHashTable>(LbOptions(), from); };
const Make kMaglev = [](const auto& from) { return std::make_unique<MaglevTable>(65537, from); };

std::map<uint32_t, int> spread(const HashTable& table, base::Random& random, int count) {
  std::map<uint32_t, int> found;
  for (int i = 0; i < count; ++i) {
    ++found[table.find(random.next(), 0)];
  }
  return found;
}

TEST(HashTableTest, MurmurHashIsTheStandardLibrarys) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(std::hash<std::string>()(text), murmurHash2(text)) << i;
    text.push_back(static_cast<char>('a' + i * 7));
  }
}

TEST(HashTableTest, EndpointsShareByWeight) {
  base::Random random(3);
  std::vector<HashedEndpoint> from = endpoints(4);
  from[0].weight = 0.4;
  from[1].weight = from[2].weight = from[3].weight = 0.2;
  std::map<uint32_t, int> seen = spread(*kMaglev(from), random, 100000);
  EXPECT_NEAR(40000, seen[0], 800);
  EXPECT_NEAR(20000, seen[3], 800);
  LbOptions large;
  large.minimum_ring_size = 100000;
  seen = spread(RingHashTable(large, from), random, 100000);
  EXPECT_NEAR(40000, seen[0], 2000);
  EXPECT_NEAR(20000, seen[3], 2000);
}

TEST(HashTableTest, RingsKeepTheirSizes) {
  LbOptions options;
  options.minimum_ring_size = 3;
  const RingHashTable whole(options, endpoints(2));
  EXPECT_EQ(4u, whole.size()) << "two each";
  EXPECT_EQ(2u, whole.leastPlaces());
  EXPECT_EQ(2u, whole.mostPlaces());
  options.maximum_ring_size = 3;
  const RingHashTable bounded(options, endpoints(2));
  EXPECT_EQ(3u, bounded.size());
  EXPECT_EQ(1u, bounded.leastPlaces());
  EXPECT_EQ(2u, bounded.mostPlaces());
}

TEST(HashTableTest, MaglevFillsSmallTablesToo) {
  for (const uint64_t size : {2, 3, 5, 7}) {
    const MaglevTable table(size, endpoints(9));
    EXPECT_EQ(size, table.size());
    EXPECT_EQ(1u, table.mostPlaces());
    EXPECT_EQ(0u, table.leastPlaces());
  }
}

TEST(HashTableTest, RemovingAnEndpointMovesLittleElse) {
  for (const Make& make : {kRing, kMaglev}) {
    const std::unique_ptr<HashTable> before = make(endpoints(20));
    std::vector<HashedEndpoint> rest = endpoints(20);
    rest.erase(rest.begin() + 7);
    for (HashedEndpoint& each : rest) {
      each.weight = 1.0 / 19;
    }
    const std::unique_ptr<HashTable> after = make(rest);
    base::Random random(5);
    int moved = 0;
    for (int i = 0; i < 20000; ++i) {
      const uint64_t hash = random.next();
      const uint32_t was = before->find(hash, 0);
      moved += was != 7 && after->find(hash, 0) != was;
    }
    EXPECT_LT(moved, 20000 / 20) << "of those that were another's";
  }
}

TEST(HashTableTest, TheOrderOfEndpointsDoesNotCount) {
  for (const Make& make : {kRing, kMaglev}) {
    std::vector<HashedEndpoint> other = endpoints(10);
    std::reverse(other.begin(), other.end());
    const std::unique_ptr<HashTable> a = make(endpoints(10));
    const std::unique_ptr<HashTable> b = make(other);
    base::Random random(5);
    for (int i = 0; i < 1000; ++i) {
      const uint64_t hash = random.next();
      ASSERT_EQ(a->find(hash, 0), b->find(hash, 0));
    }
  }
}

TEST(HashTableTest, AnotherAttemptMostlyFindsAnother) {
  for (const Make& make : {kRing, kMaglev}) {
    const std::unique_ptr<HashTable> table = make(endpoints(10));
    base::Random random(5);
    int same = 0;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t hash = random.next();
      same += table->find(hash, 0) == table->find(hash, 1);
    }
    EXPECT_LT(same, 200);
  }
}

class HashBalancerTest : public testing::Test {
 protected:
  void use(const std::vector<std::pair<uint32_t, EdsHealth>>& specs, LbPolicy policy) {
    std::vector<EndpointSet::Entry> entries;
    for (const auto& [priority, health] : specs) {
      EndpointSet::Entry& entry = entries.emplace_back();
      entry.endpoint = std::make_shared<Endpoint>(*net::Address::ip("10.0.0.1", entries.size()), "");
      entry.priority = priority;
      entry.health = health;
    }
    set_ = std::make_unique<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules());
    set_->setHashTables(std::make_shared<const HashTables>(
        LbOptions{.policy = policy}, *set_, [](const EndpointSet::Entry& entry) { return *entry.endpoint->name(); }));
    balancer_ = LoadBalancer::create({.policy = policy}, *set_, random_, nullptr);
  }
  int pick(std::optional<uint64_t> hash) {
    LoadBalancerContext context;
    context.hash = hash;
    const EndpointSet::Entry* entry = balancer_->pick(context, panicked_);
    return entry == nullptr ? 0 : entry->endpoint->address().port();
  }

  base::Random random_{7};
  std::unique_ptr<EndpointSet> set_;
  std::unique_ptr<LoadBalancer> balancer_;
  bool panicked_ = false;
};

TEST_F(HashBalancerTest, OneHashHasOneEndpoint) {
  for (const LbPolicy policy : {LbPolicy::RingHash, LbPolicy::Maglev}) {
    use({{0, EdsHealth::Healthy}, {0, EdsHealth::Healthy}, {0, EdsHealth::Unhealthy}}, policy);
    std::map<int, int> seen;
    for (uint64_t i = 0; i < 200; ++i) {
      const uint64_t hash = random_.next();
      const int first = pick(hash);
      EXPECT_EQ(first, pick(hash));
      ++seen[first];
    }
    EXPECT_EQ(2u, seen.size());
    EXPECT_EQ(0u, seen.count(3));
    EXPECT_EQ(nullptr, balancer_->peek(LoadBalancerContext()));
  }
}

TEST_F(HashBalancerTest, WithoutAHashAny) {
  use({{0, EdsHealth::Healthy}, {0, EdsHealth::Healthy}}, LbPolicy::Maglev);
  std::map<int, int> seen;
  for (int i = 0; i < 1000; ++i) {
    ++seen[pick(std::nullopt)];
  }
  EXPECT_NEAR(500, seen[1], 80);
}

TEST_F(HashBalancerTest, PrioritiesSpillOverByHash) {
  use({{0, EdsHealth::Healthy}, {0, EdsHealth::Unhealthy}, {1, EdsHealth::Healthy}}, LbPolicy::RingHash);
  std::map<int, int> seen;
  for (int i = 0; i < 10000; ++i) {
    ++seen[pick(random_.next())];
  }
  EXPECT_NEAR(7000, seen[1], 200);
  EXPECT_NEAR(3000, seen[3], 200);
}

TEST_F(HashBalancerTest, PanicsAndHasNothing) {
  use({{0, EdsHealth::Unhealthy}, {0, EdsHealth::Unhealthy}}, LbPolicy::Maglev);
  EXPECT_NE(0, pick(5));
  EXPECT_TRUE(panicked_);
  use({}, LbPolicy::Maglev);
  EXPECT_EQ(0, pick(5));
}

}  // namespace
}  // namespace sluice::cluster
