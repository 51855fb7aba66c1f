#include "source/stats/page.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

std::string render(const Store& store, const Query& query, bool prometheus = false) {
  const absl::StatusOr<PageOptions> options = PageOptions::parse(query, prometheus);
  if (!options.ok()) {
    return std::string(options.status().message());
  }
  const std::unique_ptr<Page> page = Page::create(store, *options);
  std::string out;
  while (page->next(out)) {
  }
  return out;
}

class PageTest : public ::testing::Test {
 protected:
  PageTest() {
    cluster_->counter("upstream_cx_total").add(3);
    cluster_->gauge("upstream_cx_active");
    server_->gauge("live").set(1);
    control_plane_->setText("identifier", "cp \"1\"");
  }

  void recordLengths() {
    const Histogram length = cluster_->histogram("upstream_cx_length_ms", Unit::Milliseconds);
    for (const uint64_t value : {1, 1, 2}) {
      length.record(value);
    }
    while (!store_.latchHistograms(100)) {
    }
    length.record(4);
  }

  Store store_;
  const ScopePtr cluster_ = store_.createScope("cluster.be");
  const ScopePtr server_ = store_.createScope("server");
  const ScopePtr control_plane_ = store_.createScope("control_plane");
};

TEST_F(PageTest, TextHasTextsThenNumbersThenHistograms) {
  cluster_->histogram("a_ms", Unit::Milliseconds);
  EXPECT_EQ(render(store_, {}),
            "control_plane.identifier: \"cp \"1\"\"\n"
            "cluster.be.upstream_cx_active: 0\n"
            "cluster.be.upstream_cx_total: 3\n"
            "server.live: 1\n"
            "cluster.be.a_ms: No recorded values\n");
}

TEST_F(PageTest, TextHistogramsAreEnvoys) {
  recordLengths();
  EXPECT_EQ(render(store_, {{"filter", "length_ms"}}),
            "cluster.be.upstream_cx_length_ms: P0(1.0333333333333334,1.0333333333333334) "
            "P25(1.0333333333333334,1.0333333333333334) P50(1.0666666666666667,1.0666666666666667) P75(2.05,2.05) "
            "P90(2.05,4.05) P95(2.05,4.05) P99(2.05,4.05) P99.5(2.05,4.05) P99.9(2.05,4.05) P100(2.05,4.05)\n");
  EXPECT_EQ(render(store_, {{"filter", "length_ms"}, {"histogram_buckets", "cumulative"}}),
            "cluster.be.upstream_cx_length_ms: B0.5(0,0) B1(2,2) B5(3,4) B10(3,4) B25(3,4) B50(3,4) B100(3,4) "
            "B250(3,4) B500(3,4) B1000(3,4) B2500(3,4) B5000(3,4) B10000(3,4) B30000(3,4) B60000(3,4) B300000(3,4) "
            "B600000(3,4) B1.8e+06(3,4) B3.6e+06(3,4)\n");
  EXPECT_EQ(render(store_, {{"filter", "length_ms"}, {"histogram_buckets", "detailed"}}),
            "cluster.be.upstream_cx_length_ms:\n"
            "  totals=1,0.1:2, 2,0.1:1, 4,0.1:1\n"
            "  intervals=1,0.1:2, 2,0.1:1\n"
            "  summary=P0(1.0333333333333334,1.0333333333333334) P25(1.0333333333333334,1.0333333333333334) "
            "P50(1.0666666666666667,1.0666666666666667) P75(2.05,2.05) P90(2.05,4.05) P95(2.05,4.05) P99(2.05,4.05) "
            "P99.5(2.05,4.05) P99.9(2.05,4.05) P100(2.05,4.05)\n");
  const std::string disjoint = render(store_, {{"filter", "length_ms"}, {"histogram_buckets", "disjoint"}});
  EXPECT_NE(disjoint.find(": B0.5(0,0) B1(2,2) B5(1,2) B10(0,0) "), std::string::npos) << disjoint;
}

TEST_F(PageTest, JsonIsEnvoys) {
  EXPECT_EQ(render(store_, {{"format", "json"}, {"type", "Gauges"}}),
            "{\"stats\":[{\"name\":\"cluster.be.upstream_cx_active\",\"value\":0},"
            "{\"name\":\"server.live\",\"value\":1}]}");
  EXPECT_EQ(render(store_, {{"format", "json"}, {"type", "TextReadouts"}}),
            "{\"stats\":[{\"name\":\"control_plane.identifier\",\"value\":\"cp \\\"1\\\"\"}]}");
  recordLengths();
  const std::string all = render(store_, {{"format", "json"}, {"filter", "cx_length|cx_total"}});
  EXPECT_EQ(all,
            "{\"stats\":[{\"name\":\"cluster.be.upstream_cx_total\",\"value\":3},{\"histograms\":"
            "{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"computed_quantiles\":["
            "{\"name\":\"cluster.be.upstream_cx_length_ms\",\"values\":["
            "{\"cumulative\":1.0333333333333334,\"interval\":1.0333333333333334},"
            "{\"cumulative\":1.0333333333333334,\"interval\":1.0333333333333334},"
            "{\"cumulative\":1.0666666666666667,\"interval\":1.0666666666666667},"
            "{\"cumulative\":2.05,\"interval\":2.05},{\"cumulative\":4.05,\"interval\":2.05},"
            "{\"cumulative\":4.05,\"interval\":2.05},{\"cumulative\":4.05,\"interval\":2.05},"
            "{\"cumulative\":4.05,\"interval\":2.05},{\"cumulative\":4.05,\"interval\":2.05},"
            "{\"cumulative\":4.05,\"interval\":2.05}]}]}}]}");
}

TEST_F(PageTest, JsonBuckets) {
  recordLengths();
  const std::string buckets =
      render(store_, {{"format", "json"}, {"type", "Histograms"}, {"histogram_buckets", "cumulative"}});
  EXPECT_EQ(buckets.rfind("{\"stats\":[{\"histograms\":[{\"name\":\"cluster.be.upstream_cx_length_ms\",\"buckets\":["
                          "{\"upper_bound\":0.5,\"interval\":0,\"cumulative\":0},"
                          "{\"upper_bound\":1,\"interval\":2,\"cumulative\":2},",
                          0),
            0u)
      << buckets;
  EXPECT_NE(buckets.find("{\"upper_bound\":3e+05,"), std::string::npos);
  EXPECT_NE(buckets.find("{\"upper_bound\":3600000,\"interval\":3,\"cumulative\":4}]}]}]}"), std::string::npos);
  const std::string details =
      render(store_, {{"format", "json"}, {"type", "Histograms"}, {"histogram_buckets", "detailed"}});
  EXPECT_NE(details.find("\"details\":[{\"name\":\"cluster.be.upstream_cx_length_ms\",\"totals\":["
                         "{\"lower_bound\":1,\"width\":0.1,\"count\":2},"),
            std::string::npos)
      << details;
}

TEST_F(PageTest, JsonWithoutHistogramsLeavesTheirFrameOut) {
  EXPECT_EQ(render(store_, {{"format", "json"}, {"filter", "nothing"}}), "{\"stats\":[]}");
}

TEST_F(PageTest, AnEmptyHistogramSaysSoInEveryMode) {
  cluster_->histogram("a_ms", Unit::Milliseconds);
  for (const char* mode : {"summary", "cumulative", "disjoint", "detailed"}) {
    EXPECT_EQ(render(store_, {{"filter", "a_ms"}, {"histogram_buckets", mode}}),
              "cluster.be.a_ms: No recorded values\n");
  }
}

TEST_F(PageTest, SelectsByUseFilterAndType) {
  EXPECT_EQ(render(store_, {{"usedonly", ""}, {"filter", "cluster"}}), "cluster.be.upstream_cx_total: 3\n");
  EXPECT_EQ(render(store_, {{"filter", "cluster"}, {"invert_filter", ""}, {"type", "Gauges"}}), "server.live: 1\n");
  EXPECT_EQ(render(store_, {{"type", "Counters"}}), "cluster.be.upstream_cx_total: 3\n");
}

TEST_F(PageTest, RefusesParametersAsEnvoyDoes) {
  EXPECT_EQ(render(store_, {{"filter", "("}}), "Invalid re2 regex: missing ): (");
  EXPECT_EQ(render(store_, {{"type", "Nothing"}}), "invalid &type= param");
  EXPECT_EQ(render(store_, {{"format", "xml"}}), "usage: /stats?format=(json|prometheus|text)\n\n");
  EXPECT_NE(render(store_, {{"histogram_buckets", "x"}}).find("usage: /stats?histogram_buckets="), std::string::npos);
}

TEST(Page, ComesInPieces) {
  Store store;
  std::vector<ScopePtr> scopes;
  for (int i = 0; i < 3000; ++i) {
    scopes.push_back(store.createScope(absl::StrCat("cluster.c", i)));
    for (int n = 0; n < 4; ++n) {
      scopes.back()->counter(absl::StrCat("upstream_", n)).inc();
    }
  }
  for (const PageOptions::Format format :
       {PageOptions::Format::Text, PageOptions::Format::Json, PageOptions::Format::Prometheus}) {
    PageOptions options;
    options.format = format;
    const std::unique_ptr<Page> page = Page::create(store, options);
    size_t pieces = 0;
    size_t found = 0;
    bool more = true;
    while (more) {
      std::string piece;
      more = page->next(piece);
      EXPECT_LT(piece.size(), 80u * 1024);
      ++pieces;
      for (size_t at = piece.find("upstream_3"); at != std::string::npos; at = piece.find("upstream_3", at + 1)) {
        ++found;
      }
    }
    EXPECT_GT(pieces, 4u);
    // Prometheus's line of the type has the name once more.
    EXPECT_EQ(found, format == PageOptions::Format::Prometheus ? 3001u : 3000u);
  }
}

}  // namespace
}  // namespace sluice::stats
