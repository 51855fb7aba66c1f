#include "source/cluster/circuit_breaker.h"

#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "source/stats/store.h"

namespace sluice::cluster {
namespace {

class CircuitBreakerTest : public testing::Test {
 protected:
  void set(uint32_t max_connections, bool track) {
    Thresholds normal;
    normal.max_connections = max_connections;
    normal.track_remaining = track;
    breakers_.setThresholds(normal, Thresholds(), *scope_);
  }
  uint64_t open() const { return store_.gaugeValue("cluster.be.circuit_breakers.default.cx_open"); }
  uint64_t remaining() const { return store_.gaugeValue("cluster.be.circuit_breakers.default.remaining_cx"); }

  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.be");
  CircuitBreakers breakers_{*scope_};
  BreakerLimit& connections_ = breakers_.connections();
};

TEST_F(CircuitBreakerTest, OpensAtTheLimitAndClosesBelowIt) {
  set(2, true);
  EXPECT_EQ(0, open());
  EXPECT_EQ(2, remaining());
  EXPECT_TRUE(connections_.tryAcquire());
  EXPECT_EQ(1, remaining());
  EXPECT_EQ(0, open());
  EXPECT_TRUE(connections_.tryAcquire());
  EXPECT_EQ(1, open());
  EXPECT_EQ(0, remaining());
  EXPECT_FALSE(connections_.tryAcquire());
  connections_.release();
  EXPECT_EQ(0, open());
  EXPECT_EQ(1, remaining());
  EXPECT_TRUE(connections_.tryAcquire());
}

TEST_F(CircuitBreakerTest, ALimitOfZeroIsOpenFromTheStart) {
  set(0, true);
  EXPECT_EQ(1, open());
  EXPECT_FALSE(connections_.tryAcquire());
  set(1, true);
  EXPECT_EQ(0, open());
  EXPECT_TRUE(connections_.tryAcquire());
}

TEST_F(CircuitBreakerTest, ALimitThatChangesUnderConnectionsKeepsTheGaugesTrue) {
  set(4, false);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(connections_.tryAcquire());
  }
  EXPECT_EQ(0, remaining()) << "not asked for";
  set(2, true);
  EXPECT_EQ(1, open());
  EXPECT_EQ(0, remaining());
  EXPECT_FALSE(connections_.tryAcquire()) << "three are more than two";
  set(5, true);
  EXPECT_EQ(0, open());
  EXPECT_EQ(2, remaining());
  connections_.release();
  EXPECT_EQ(3, remaining());
  set(5, false);
  EXPECT_EQ(0, remaining());
  EXPECT_EQ(2u, connections_.count());
}

TEST_F(CircuitBreakerTest, ThreadsNeverPassTheLimitAndLeaveNothingBehind) {
  set(3, true);
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (connections_.tryAcquire()) {
          const int now = ++held;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --held;
          connections_.release();
        }
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    set(i % 2 == 0 ? 2 : 3, i % 3 != 0);
  }
  set(3, true);
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(0u, connections_.count());
  EXPECT_EQ(0, open());
  EXPECT_EQ(3, remaining());
}

TEST_F(CircuitBreakerTest, NamesOfBothPrioritiesAreListed) {
  Thresholds high;
  high.max_connections = 7;
  high.track_remaining = true;
  breakers_.setThresholds(Thresholds(), high, *scope_);
  EXPECT_EQ(7, store_.gaugeValue("cluster.be.circuit_breakers.high.remaining_cx"));
  EXPECT_EQ(1024, store_.gaugeValue("cluster.be.circuit_breakers.high.remaining_pending"));
}

TEST_F(CircuitBreakerTest, EachLimitHasItsGauges) {
  Thresholds normal{.max_connections = 1,
                    .max_pending_requests = 1,
                    .max_requests = 1,
                    .max_retries = 1,
                    .max_connection_pools = 1,
                    .retry_budget = {},
                    .track_remaining = true};
  breakers_.setThresholds(normal, Thresholds(), *scope_);
  const auto gauge = [&](absl::string_view name) {
    return store_.gaugeValue(absl::StrCat("cluster.be.circuit_breakers.default.", name));
  };
  CircuitBreakers::Limits& limits = breakers_.of(false);
  const std::tuple<BreakerLimit*, const char*, const char*> all[] = {
      {&limits.connections, "cx_open", "remaining_cx"},      {&limits.pending, "rq_pending_open", "remaining_pending"},
      {&limits.requests, "rq_open", "remaining_rq"},         {&limits.retries, "rq_retry_open", "remaining_retries"},
      {&limits.pools, "cx_pool_open", "remaining_cx_pools"},
  };
  for (const auto& [limit, open, remaining] : all) {
    EXPECT_EQ(0, gauge(open));
    EXPECT_EQ(1, gauge(remaining));
    EXPECT_TRUE(limit->tryAcquire());
    EXPECT_FALSE(limit->tryAcquire());
    EXPECT_EQ(1, gauge(open)) << open;
    EXPECT_EQ(0, gauge(remaining)) << remaining;
    limit->acquire();
    limit->release();
    EXPECT_EQ(1, gauge(open)) << "beyond the limit and back to it";
    limit->release();
    EXPECT_EQ(0, gauge(open));
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(breakers_.of(true).pools.tryAcquire()) << "no limit unless it is set";
  }
}

TEST_F(CircuitBreakerTest, ABudgetTakesThePlaceOfTheMostRetries) {
  Thresholds normal;
  normal.max_retries = 0;
  CircuitBreakers::Limits& limits = breakers_.of(false);
  breakers_.setThresholds(normal, Thresholds(), *scope_);
  EXPECT_FALSE(limits.tryAcquireRetry(normal));
  normal.retry_budget = RetryBudget{.percent = 20, .min_concurrency = 1};
  breakers_.setThresholds(normal, Thresholds(), *scope_);
  EXPECT_TRUE(limits.tryAcquireRetry(normal)) << "one may always be";
  EXPECT_FALSE(limits.tryAcquireRetry(normal));
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(limits.requests.tryAcquire());
  }
  EXPECT_FALSE(limits.tryAcquireRetry(normal));
  ASSERT_TRUE(limits.pending.tryAcquire());
  EXPECT_TRUE(limits.tryAcquireRetry(normal)) << "two of ten";
  EXPECT_FALSE(limits.tryAcquireRetry(normal));
  limits.retries.release();
  EXPECT_TRUE(limits.tryAcquireRetry(normal));
}

}  // namespace
}  // namespace sluice::cluster
