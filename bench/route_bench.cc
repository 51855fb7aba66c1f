#include <malloc.h>

#include <string>

#include "absl/strings/str_cat.h"
#include <benchmark/benchmark.h>

#include "source/base/clock.h"
#include "test/http/route_fixture.h"

// Looking up routes in large tables, and making such tables.

namespace sluice::http {
namespace {

using envoy::config::route::v3::RouteConfiguration;

std::shared_ptr<RouteConfiguration> configuration(int hosts, int routes) {
  auto config = std::make_shared<RouteConfiguration>();
  config->set_name("r");
  for (int h = 0; h < hosts; ++h) {
    auto& host = *config->add_virtual_hosts();
    host.set_name(absl::StrCat("host-", h));
    host.add_domains(absl::StrCat("service-", h, ".example.com"));
    for (int r = 0; r < routes; ++r) {
      auto& route = *host.add_routes();
      route.mutable_match()->set_prefix(absl::StrCat("/path/", r, "/"));
      route.mutable_route()->set_cluster("a");
    }
  }
  return config;
}

struct Services {
  RouteServices operator()() {
    return {store.root(), &request_stats, runtime, operators, per_route, [](absl::string_view) { return true; }};
  }
  stats::Store store;
  test::FakeDispatcher dispatcher;
  RequestStatsTable request_stats{dispatcher, store.root()};
  std::shared_ptr<const runtime::Snapshot> runtime = std::make_shared<const runtime::Snapshot>();
  access_log::OperatorTable operators;
  test::FakePerRouteConfigs per_route;
};

void lookUp(benchmark::State& state, int hosts, int routes) {
  Services services;
  config::Violations violations;
  const auto table = buildRouteTable(configuration(hosts, routes), config::FieldPath(), services(), false, violations);
  const test::FakeRequest request(absl::StrCat("service-", hosts - 1, ".example.com"),
                                  absl::StrCat("/path/", routes - 1, "/x"));
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->find(request.query()));
  }
}

void inTenThousandHosts(benchmark::State& state) { lookUp(state, 10000, 10); }
void inTenThousandRoutes(benchmark::State& state) { lookUp(state, 1, 10000); }
void inAFewRoutes(benchmark::State& state) { lookUp(state, 1, 3); }

void makeTenThousandHosts(benchmark::State& state) {
  Services services;
  const auto message = configuration(10000, 10);
  for (auto _ : state) {
    config::Violations violations;
    const size_t before = mallinfo2().uordblks;
    const auto table = buildRouteTable(message, config::FieldPath(), services(), false, violations);
    state.counters["bytes"] = static_cast<double>(mallinfo2().uordblks - before);
  }
}

BENCHMARK(inTenThousandHosts);
BENCHMARK(inTenThousandRoutes);
BENCHMARK(inAFewRoutes);
BENCHMARK(makeTenThousandHosts)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::http

BENCHMARK_MAIN();
