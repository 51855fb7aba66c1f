#include "source/stats/store.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "source/stats/page.h"

namespace sluice::stats {
namespace {

std::string text(const Store& store, const std::string& filter = "") {
  PageOptions options;
  if (!filter.empty()) {
    options.selection.filter = std::make_shared<re2::RE2>(filter);
  }
  const std::unique_ptr<Page> page = Page::create(store, options);
  std::string out;
  while (page->next(out)) {
  }
  return out;
}

TEST(Store, JoinsPrefixAndName) {
  Store store;
  const ScopePtr cluster = store.createScope("cluster.be.");
  cluster->counter("upstream_cx_total").add(2);
  const ScopePtr breakers = cluster->createScope("circuit_breakers.default");
  breakers->gauge("cx_open").set(1);
  store.root()->counter("loose").inc();
  EXPECT_EQ(text(store), "cluster.be.circuit_breakers.default.cx_open: 1\ncluster.be.upstream_cx_total: 2\nloose: 1\n");
  EXPECT_EQ(store.counterValue("cluster.be.upstream_cx_total"), 2u);
  EXPECT_EQ(store.gaugeValue("cluster.be.circuit_breakers.default.cx_open"), 1u);
  EXPECT_EQ(store.counterValue("loose"), 1u);
  EXPECT_EQ(store.counterValue("no.such"), 0u);
}

TEST(Store, SanitizesAsEnvoyDoes) {
  Store store;
  const ScopePtr scope = store.createScope("listener.[::1]:80");
  scope->counter("a://b:c").inc();
  EXPECT_EQ(text(store), "listener.[__1]_80.a_b_c: 1\n");
}

TEST(Store, OnePrefixIsOneSetOfStatistics) {
  Store store;
  const ScopePtr one = store.createScope("tcp.front");
  const ScopePtr two = store.createScope("tcp.front.");
  const Counter a = one->counter("x");
  EXPECT_EQ(two->counter("x").cell(), a.cell());
  EXPECT_NE(two->counter("y").cell(), a.cell());
  EXPECT_NE(two->gauge("x").cell(), a.cell());
}

TEST(Store, AStatisticLivesAsLongAsAScopeThatAskedForIt) {
  Store store;
  ScopePtr old_scope = store.createScope("tcp.front");
  ScopePtr new_scope = store.createScope("tcp.front");
  old_scope->counter("kept").add(5);
  old_scope->counter("dropped").add(6);
  new_scope->counter("kept");
  old_scope.reset();
  EXPECT_EQ(text(store), "tcp.front.kept: 5\n");
  new_scope->counter("fresh").inc();
  EXPECT_EQ(text(store), "tcp.front.fresh: 1\ntcp.front.kept: 5\n");
  new_scope.reset();
  EXPECT_EQ(text(store), "");
}

TEST(Store, AReusedCellStartsAtZero) {
  Store store;
  const ScopePtr keeper = store.createScope("s");
  keeper->counter("stays");
  for (int round = 0; round < 100; ++round) {
    const ScopePtr scope = store.createScope("s");
    const std::string name = absl::StrCat("n", round);
    const Counter counter = scope->counter(name);
    EXPECT_EQ(store.counterValue("s." + name), 0u);
    counter.add(3);
    std::thread([&] { counter.add(4); }).join();
    EXPECT_EQ(store.counterValue("s." + name), 7u);
  }
}

TEST(Store, ScopesThatComeAndGoReuseTheirCells) {
  Store store;
  CellIndex highest = 0;
  for (int round = 0; round < 1000; ++round) {
    const ScopePtr scope = store.createScope(absl::StrCat("cluster.c", round));
    for (int i = 0; i < 40; ++i) {
      const Counter counter = scope->counter(absl::StrCat("name", i));
      counter.inc();
      if (round < 10) {
        highest = std::max(highest, counter.cell());
      } else {
        ASSERT_LE(counter.cell(), highest);
      }
    }
  }
}

TEST(Store, ManyStatisticsInOneScope) {
  Store store;
  std::vector<CellIndex> cells;
  for (int i = 0; i < 5000; ++i) {
    const Counter counter = store.root()->counter(absl::StrCat("n", i));
    counter.add(static_cast<uint64_t>(i));
    cells.push_back(counter.cell());
  }
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(store.root()->counter(absl::StrCat("n", i)).cell(), cells[static_cast<size_t>(i)]);
    ASSERT_EQ(store.counterValue(absl::StrCat("n", i)), static_cast<uint64_t>(i));
  }
}

TEST(Store, ResetLeavesGaugesAndHistograms) {
  Store store;
  const ScopePtr scope = store.createScope("a");
  const Counter counter = scope->counter("c");
  const Counter root_counter = store.root()->counter("r");
  const Gauge gauge = scope->gauge("g");
  const Histogram histogram = scope->histogram("h", Unit::Milliseconds);
  counter.add(3);
  root_counter.add(4);
  gauge.add(5);
  histogram.record(6);
  store.resetCounters();
  EXPECT_EQ(store.counterValue("a.c"), 0u);
  EXPECT_EQ(store.counterValue("r"), 0u);
  EXPECT_EQ(store.gaugeValue("a.g"), 5u);
  EXPECT_EQ(store.histogramCount("a.h"), 1u);
  counter.inc();
  EXPECT_EQ(store.counterValue("a.c"), 1u);
}

TEST(Store, FilteredStatisticsAreNotThere) {
  StoreOptions options;
  options.filter =
      *NameFilter::create({NameFilterConfig::Mode::AllButMatching, {{NamePattern::Kind::Prefix, "cluster.be.secret"}}});
  Store store(std::move(options));
  const ScopePtr scope = store.createScope("cluster.be");
  scope->counter("secret_total").inc();
  scope->setText("secret_text", "x");
  scope->histogram("secret_ms", Unit::Milliseconds).record(1);
  scope->counter("open_total").inc();
  EXPECT_EQ(text(store), "cluster.be.open_total: 1\n");
  EXPECT_EQ(scope->counter("secret_total").cell(), kNullCell);
}

TEST(Store, LatchesIntervalsSomeScopesAtATime) {
  Store store;
  std::vector<ScopePtr> scopes;
  std::vector<Histogram> histograms;
  for (int i = 0; i < 5; ++i) {
    scopes.push_back(store.createScope(absl::StrCat("s", i)));
    histograms.push_back(scopes.back()->histogram("h", Unit::Milliseconds));
    histograms.back().record(10);
  }
  // The root and the five; then it learns that there are no more.
  int calls = 1;
  while (!store.latchHistograms(2)) {
    ++calls;
  }
  EXPECT_EQ(calls, 4);
  histograms[0].record(20);
  EXPECT_NE(text(store, "s0.h").find("P50(10.5,10.5)"), std::string::npos) << text(store);
  EXPECT_NE(text(store, "s0.h").find("P100(10.5,20.5)"), std::string::npos) << text(store);
  while (!store.latchHistograms(100)) {
  }
  EXPECT_NE(text(store, "s0.h").find("P50(20.5,10.5)"), std::string::npos) << text(store);
  EXPECT_NE(text(store, "s1.h").find("P50(nan,10.5)"), std::string::npos) << text(store);
}

TEST(Store, ScopesMayOutliveIt) {
  ScopePtr scope;
  Counter counter;
  {
    Store store;
    scope = store.createScope("late");
    counter = scope->counter("x");
  }
  counter.inc();
  scope->counter("y").inc();
  scope.reset();
}

// An admin thread reads pages while main configures and workers count.
TEST(Store, PagesAreReadWhileScopesComeAndGo) {
  Store store;
  const ScopePtr steady = store.createScope("steady");
  const Counter counted = steady->counter("total");
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop.load()) {
      counted.inc();
    }
  });
  std::thread admin([&] {
    while (!stop.load()) {
      for (const PageOptions::Format format :
           {PageOptions::Format::Text, PageOptions::Format::Json, PageOptions::Format::Prometheus}) {
        PageOptions options;
        options.format = format;
        const std::unique_ptr<Page> page = Page::create(store, options);
        std::string out;
        while (page->next(out)) {
        }
        EXPECT_NE(out.find("steady"), std::string::npos);
      }
      store.resetCounters();
    }
  });
  for (int round = 0; round < 300; ++round) {
    std::vector<ScopePtr> scopes;
    for (int i = 0; i < 20; ++i) {
      scopes.push_back(store.createScope(absl::StrCat("cluster.c", round % 7, "_", i)));
      scopes.back()->counter("upstream_cx_total").inc();
      scopes.back()->histogram("upstream_cx_length_ms", Unit::Milliseconds).record(3);
      scopes.back()->setText("version", absl::StrCat(round));
    }
    store.latchHistograms(10);
  }
  stop = true;
  worker.join();
  admin.join();
}

}  // namespace
}  // namespace sluice::stats
