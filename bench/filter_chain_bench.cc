#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <benchmark/benchmark.h>

#include "source/listener/filter_chain_matcher.h"

// Finding a connection's filter chain among few and among many.

namespace sluice::listener {
namespace {

struct Connection {
  net::Address destination = *net::Address::ip("10.1.2.3", 8080);
  net::Address source = *net::Address::ip("10.9.9.9", 40000);
  std::string server_name;
  std::vector<std::string> protocols = {"h2", "http/1.1"};

  FilterChainInput input() const { return {destination, source, source, server_name, "tls", protocols}; }
};

void find(benchmark::State& state, const std::vector<FilterChainRule>& rules, const std::vector<Connection>& clients) {
  std::vector<FilterChainMatcher::Conflict> conflicts;
  const FilterChainMatcher matcher(rules, conflicts);
  size_t i = 0;
  for (auto _ : state) {
    const uint32_t found = matcher.find(clients[i].input());
    if (found == FilterChainMatcher::kNone) {
      state.SkipWithError("no chain");
      return;
    }
    i = i + 1 == clients.size() ? 0 : i + 1;
  }
}

/** A gateway's: a chain for each host. */
void byServerName(benchmark::State& state) {
  std::vector<FilterChainRule> rules;
  std::vector<Connection> clients;
  for (int i = 0; i < state.range(0); ++i) {
    FilterChainRule& rule = rules.emplace_back();
    const std::string host = absl::StrCat("service-", i, ".example.com");
    rule.server_names = {i % 2 == 0 ? host : absl::StrCat("*.", host)};
    clients.emplace_back().server_name = i % 2 == 0 ? host : absl::StrCat("www.", host);
  }
  find(state, rules, clients);
}

/** A sidecar's: some chains for each port, told apart by what the client offers. */
void byPortAndProtocol(benchmark::State& state) {
  std::vector<FilterChainRule> rules;
  std::vector<Connection> clients;
  for (int i = 0; i < state.range(0) / 2; ++i) {
    for (const char* protocol : {"h2", "istio"}) {
      FilterChainRule& rule = rules.emplace_back();
      rule.destination_port = 8000 + i;
      rule.transport_protocol = "tls";
      rule.application_protocols = {protocol};
    }
    clients.emplace_back().destination = *net::Address::ip("10.1.2.3", 8000 + i);
  }
  find(state, rules, clients);
}

void byDestination(benchmark::State& state) {
  std::vector<FilterChainRule> rules;
  std::vector<Connection> clients;
  for (int i = 0; i < state.range(0); ++i) {
    const std::string network = absl::StrCat("10.", i / 256, ".", i % 256, ".0");
    rules.emplace_back().destination_prefixes = {*IpPrefix::create(network, 24)};
    clients.emplace_back().destination = *net::Address::ip(network, 80);
  }
  find(state, rules, clients);
}

void make(benchmark::State& state) {
  std::vector<FilterChainRule> rules;
  for (int i = 0; i < state.range(0); ++i) {
    rules.emplace_back().server_names = {absl::StrCat("service-", i, ".example.com")};
  }
  for (auto _ : state) {
    std::vector<FilterChainMatcher::Conflict> conflicts;
    benchmark::DoNotOptimize(FilterChainMatcher(rules, conflicts));
  }
}

BENCHMARK(byServerName)->Arg(10)->Arg(1000);
BENCHMARK(byPortAndProtocol)->Arg(10)->Arg(1000);
BENCHMARK(byDestination)->Arg(10)->Arg(1000);
BENCHMARK(make)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace sluice::listener

BENCHMARK_MAIN();
