// What is counted of requests beside their cluster, and what logs tell of requests that no upstream was asked for.

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

class HttpCountsTest : public ::testing::Test {
 protected:
  void start(const std::string& host, const Yamls& filters = {}) {
    proxy_ = std::make_unique<Proxy>(staticResources(
        {cluster("a", backend_.port(), "alt_stat_name: alternative"), cluster("dead", demo::freePort())},
        {httpListener("front",
                      httpConnectionManager(
                          routeConfig({host}),
                          "access_log: [" + fileAccessLog(folder_.path() + "/log", "%PATH% %UPSTREAM_CLUSTER%") + "]",
                          filters))}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  /** As it is now: a response that has been received is counted. */
  uint64_t stat(const std::string& name) { return proxy_->stat(name).value_or(0); }

  TempFolder folder_;
  std::atomic<int> asked_{0};
  HttpServer backend_{[this](const HttpMessage& request) {
    ++asked_;
    const std::string status = request.header("x-status");
    return request.path() == "/flaky" && asked_ == 1 ? "" : httpResponse(status.empty() ? 200 : std::stoi(status), "a");
  }};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(HttpCountsTest, RoutesAndVirtualClustersCountTheirRequests) {
  start(virtualHost("v", {"*"}, {route("prefix: /", "route: {cluster: a}", "stat_prefix: first")},
                    "virtual_clusters: [{name: one, headers: [{name: \":path\", string_match: {exact: /one}}]}]"));
  EXPECT_EQ(httpGet(port_, "/one", "x-status: 404\r\n").status(), 404);
  for (const char* const of : {"vhost.v.route.first.", "vhost.v.vcluster.one.", "cluster.alternative."}) {
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_404")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_4xx")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_completed")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_total")), 1u) << of;
  }
  EXPECT_EQ(httpGet(port_, "/two").status(), 200);
  EXPECT_EQ(stat("vhost.v.vcluster.other.upstream_rq_200"), 1u);
  EXPECT_EQ(stat("vhost.v.route.first.upstream_rq_completed"), 2u);
  EXPECT_EQ(stat("vhost.v.vcluster.one.upstream_rq_completed"), 1u);
}

TEST_F(HttpCountsTest, AnAttemptThatAnotherFollowsHasNoCode) {
  start(virtualHost(
      "v", {"*"}, {route("prefix: /", "route: {cluster: a, retry_policy: {retry_on: reset}}", "stat_prefix: first")}));
  EXPECT_EQ(httpGet(port_, "/flaky").status(), 200);
  EXPECT_EQ(asked_, 2);
  for (const char* const of : {"vhost.v.route.first.", "cluster.alternative."}) {
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_retry")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_retry_success")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_completed")), 1u) << of;
    EXPECT_EQ(stat(absl::StrCat(of, "upstream_rq_total")), 2u) << of;
  }
}

TEST_F(HttpCountsTest, LogsTellOfTheClusterThatWasMeant) {
  start(virtualHost("v", {"*"},
                    {route("prefix: /direct", "direct_response: {status: 200}"),
                     route("prefix: /gone", "route: {cluster_header: x-cluster}"), routeTo("a")}),
        {"{name: fault, typed_config: {\"@type\": "
         "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 418, percentage: "
         "{numerator: 100}}, headers: [{name: x-fault, present_match: true}]}}"});
  EXPECT_EQ(httpGet(port_, "/direct").status(), 200);
  EXPECT_EQ(httpGet(port_, "/fault", "x-fault: 1\r\n").status(), 418);
  EXPECT_EQ(httpGet(port_, "/gone", "x-fault: 1\r\nx-cluster: dead\r\n").status(), 418);
  EXPECT_EQ(httpGet(port_, "/gone", "x-cluster: nobody\r\n").status(), 503);
  EXPECT_EQ(asked_, 0);
  proxy_.reset();
  // Each worker writes its own lines.
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(folder_.read("log"), '\n', absl::SkipEmpty())),
              testing::UnorderedElementsAre("/direct -", "/fault alternative", "/gone dead", "/gone -"));
}

}  // namespace
}  // namespace sluice::integration
