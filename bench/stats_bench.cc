#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <benchmark/benchmark.h>

#include "source/stats/page.h"
#include "source/stats/store.h"

namespace sluice::stats {
namespace {

constexpr int kClusters = 10000;
constexpr int kStatsOfCluster = 60;

/** As many clusters as a large mesh has, with as many statistics each as Envoy's have. */
std::vector<ScopePtr> makeClusters(Store& store) {
  std::vector<ScopePtr> clusters;
  clusters.reserve(kClusters);
  for (int c = 0; c < kClusters; ++c) {
    const ScopePtr cluster = store.createScope(absl::StrCat("cluster.outbound_80__service-", c, "_mesh_svc"));
    for (int s = 0; s < kStatsOfCluster - 2; ++s) {
      cluster->counter(absl::StrCat("upstream_some_statistic_", s));
    }
    cluster->histogram("upstream_cx_length_ms", Unit::Milliseconds);
    cluster->histogram("upstream_cx_connect_ms", Unit::Milliseconds);
    clusters.push_back(cluster);
  }
  return clusters;
}

void BM_Increment(benchmark::State& state) {
  Store store;
  const Counter counter = store.root()->counter("x");
  for (auto _ : state) {
    counter.inc();
  }
}
BENCHMARK(BM_Increment);

void BM_Record(benchmark::State& state) {
  Store store;
  const Histogram histogram = store.root()->histogram("x", Unit::Milliseconds);
  uint64_t value = 1;
  for (auto _ : state) {
    histogram.record(value);
    value = value * 7 % 3001;
  }
}
BENCHMARK(BM_Record);

void BM_AddClusters(benchmark::State& state) {
  for (auto _ : state) {
    Store store;
    const size_t before = ::mallinfo2().uordblks;
    const std::vector<ScopePtr> clusters = makeClusters(store);
    state.counters["bytes_per_cluster"] = static_cast<double>(::mallinfo2().uordblks - before) / kClusters;
  }
  state.SetItemsProcessed(state.iterations() * kClusters * kStatsOfCluster);
}
BENCHMARK(BM_AddClusters)->Unit(benchmark::kMillisecond);

void BM_Page(benchmark::State& state) {
  Store store;
  const std::vector<ScopePtr> clusters = makeClusters(store);
  PageOptions options;
  options.format = static_cast<PageOptions::Format>(state.range(0));
  double longest = 0;
  for (auto _ : state) {
    const std::unique_ptr<Page> page = Page::create(store, options);
    bool more = true;
    while (more) {
      std::string piece;
      const auto start = std::chrono::steady_clock::now();
      more = page->next(piece);
      longest = std::max(longest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      benchmark::DoNotOptimize(piece.data());
    }
  }
  state.counters["longest_piece_ms"] = longest * 1000;
  state.SetItemsProcessed(state.iterations() * kClusters * kStatsOfCluster);
}
BENCHMARK(BM_Page)
    ->Arg(static_cast<int>(PageOptions::Format::Text))
    ->Arg(static_cast<int>(PageOptions::Format::Json))
    ->Arg(static_cast<int>(PageOptions::Format::Prometheus))
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::stats

BENCHMARK_MAIN();
