#include "source/stats/prometheus_page.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

std::string render(const Store& store, const Query& query = {}) {
  const std::unique_ptr<Page> page = Page::create(store, *PageOptions::parse(query, true));
  std::string out;
  while (page->next(out)) {
  }
  return out;
}

TEST(PrometheusPage, AllSeriesOfAMetricTogether) {
  Store store;
  const ScopePtr a = store.createScope("cluster.a");
  const ScopePtr b = store.createScope("cluster.b-c");
  const ScopePtr server = store.createScope("server");
  for (const ScopePtr& cluster : {a, b}) {
    cluster->counter("upstream_cx_total").add(2);
    cluster->counter("upstream_rq_2xx").inc();
    cluster->counter("upstream_rq_5xx");
    cluster->gauge("upstream_cx_active");
  }
  server->gauge("live").set(1);
  EXPECT_EQ(render(store),
            "# TYPE envoy_cluster_upstream_cx_total counter\n"
            "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"a\"} 2\n"
            "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"b-c\"} 2\n"
            "# TYPE envoy_cluster_upstream_rq_xx counter\n"
            "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"a\"} 1\n"
            "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"5\",envoy_cluster_name=\"a\"} 0\n"
            "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"b-c\"} 1\n"
            "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"5\",envoy_cluster_name=\"b-c\"} 0\n"
            "# TYPE envoy_cluster_upstream_cx_active gauge\n"
            "envoy_cluster_upstream_cx_active{envoy_cluster_name=\"a\"} 0\n"
            "envoy_cluster_upstream_cx_active{envoy_cluster_name=\"b-c\"} 0\n"
            "# TYPE envoy_server_live gauge\n"
            "envoy_server_live{} 1\n");
  EXPECT_EQ(render(store, {{"usedonly", ""}, {"filter", "5xx|live"}}),
            "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n");
}

TEST(PrometheusPage, EscapesNamesAndValues) {
  TagConfig config;
  config.rules.push_back({"odd.tag-name", true, "a\"b\\c\nd"});
  StoreOptions options;
  options.tags = std::move(*TagExtractor::create(config));
  Store store(std::move(options));
  store.root()->counter("some-thing.ok").inc();
  EXPECT_EQ(render(store),
            "# TYPE envoy_some_thing_ok counter\n"
            "envoy_some_thing_ok{odd_tag_name=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST(PrometheusPage, HistogramsInEnvoysBuckets) {
  Store store;
  const ScopePtr cluster = store.createScope("cluster.be");
  const Histogram histogram = cluster->histogram("upstream_cx_length_ms", Unit::Milliseconds);
  for (const uint64_t value : {0, 1, 4, 251, 5000000}) {
    histogram.record(value);
  }
  const std::string page = render(store);
  EXPECT_EQ(page.rfind("# TYPE envoy_cluster_upstream_cx_length_ms histogram\n"
                       "envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name=\"be\",le=\"0.5\"} 1\n"
                       "envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name=\"be\",le=\"1\"} 2\n"
                       "envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name=\"be\",le=\"5\"} 3\n",
                       0),
            0u)
      << page;
  EXPECT_NE(page.find("{envoy_cluster_name=\"be\",le=\"3600000\"} 4\n"
                      "envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name=\"be\",le=\"+Inf\"} 5\n"
                      "envoy_cluster_upstream_cx_length_ms_sum{envoy_cluster_name=\"be\"} 5000256\n"
                      "envoy_cluster_upstream_cx_length_ms_count{envoy_cluster_name=\"be\"} 5\n"),
            std::string::npos)
      << page;
}

TEST(PrometheusPage, BucketsCanBeConfigured) {
  StoreOptions options;
  options.buckets.push_back({*NameMatcher::create({NamePattern::Kind::Prefix, "s."}), {10, 20}});
  Store store(std::move(options));
  const ScopePtr scope = store.createScope("s");
  scope->histogram("h", Unit::Milliseconds).record(15);
  EXPECT_EQ(render(store),
            "# TYPE envoy_s_h histogram\n"
            "envoy_s_h_bucket{le=\"10\"} 0\nenvoy_s_h_bucket{le=\"20\"} 1\nenvoy_s_h_bucket{le=\"+Inf\"} 1\n"
            "envoy_s_h_sum{} 15\nenvoy_s_h_count{} 1\n");
}

TEST(PrometheusPage, SummaryTellsOfTheLastInterval) {
  Store store;
  const Histogram histogram = store.root()->histogram("h", Unit::Milliseconds);
  histogram.record(40);
  while (!store.latchHistograms(10)) {
  }
  histogram.record(1000);
  const std::string page = render(store, {{"histogram_buckets", "summary"}});
  EXPECT_EQ(page.rfind("# TYPE envoy_h summary\nenvoy_h{quantile=\"0\"} 40.5\nenvoy_h{quantile=\"0.25\"} 40.5\n", 0),
            0u)
      << page;
  EXPECT_NE(page.find("envoy_h_sum{} 40\nenvoy_h_count{} 1\n"), std::string::npos) << page;
}

TEST(PrometheusPage, TextsOnlyWhenAskedFor) {
  Store store;
  const ScopePtr scope = store.createScope("control_plane");
  scope->setText("identifier", "cp-1");
  EXPECT_EQ(render(store), "");
  EXPECT_EQ(render(store, {{"text_readouts", ""}}),
            "# TYPE envoy_control_plane_identifier gauge\n"
            "envoy_control_plane_identifier{text_value=\"cp-1\"} 0\n");
}

TEST(PrometheusPage, SkipsWhatGoesWhileItIsWritten) {
  Store store;
  std::vector<ScopePtr> scopes;
  for (int i = 0; i < 200; ++i) {
    scopes.push_back(store.createScope("cluster.c" + std::to_string(i)));
    scopes.back()->counter("upstream_cx_total");
  }
  const std::unique_ptr<Page> page = Page::create(store, *PageOptions::parse({}, true));
  std::string out;
  // Some scopes are in its index by then, none is written.
  ASSERT_TRUE(page->next(out));
  ASSERT_EQ(out, "");
  ScopePtr survivor = scopes[150];
  scopes.clear();
  const ScopePtr other = store.createScope("cluster.c1");
  other->counter("upstream_rq_total");
  while (page->next(out)) {
  }
  EXPECT_EQ(out,
            "# TYPE envoy_cluster_upstream_cx_total counter\n"
            "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"c150\"} 0\n");
}

}  // namespace
}  // namespace sluice::stats
