#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/config/validate.h"
#include "source/http/route_config.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::test {

/** Settings of the one filter that there is: its CorsPolicy's allow_methods. */
struct FakePerRoute : http::PerRouteConfig {
  std::string filter;
  std::string text;
};

class FakePerRouteConfigs : public http::PerRouteConfigs {
 public:
  bool has(absl::string_view message_name) const override { return message_name == "google.protobuf.StringValue"; }
  std::shared_ptr<const http::PerRouteConfig> create(absl::string_view filter_name,
                                                     const google::protobuf::Message& message, const config::FieldPath&,
                                                     config::Violations&) const override {
    auto made = std::make_shared<FakePerRoute>();
    made->filter = std::string(filter_name);
    made->text = static_cast<const google::protobuf::StringValue&>(message).value();
    return made;
  }
};

/** What route tables are made with. */
class RouteFixture : public testing::Test {
 protected:
  using RouteConfiguration = envoy::config::route::v3::RouteConfiguration;

  static std::shared_ptr<RouteConfiguration> parse(absl::string_view text) {
    auto message = std::make_shared<RouteConfiguration>();
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(text, *message, {}, nullptr, violations)) << text << "\n" << violations.toString();
    return message;
  }
  /** Null, and violations_ say why, when it is refused. */
  std::unique_ptr<http::RouteTable> build(absl::string_view text, bool validate_clusters = true) {
    violations_ = {};
    return http::buildRouteTable(parse(text), config::FieldPath(), services(), validate_clusters, violations_);
  }
  std::unique_ptr<http::RouteTable> good(absl::string_view text) {
    std::unique_ptr<http::RouteTable> table = build(text);
    EXPECT_NE(table, nullptr) << violations_.toString();
    return table;
  }
  /** What the support table and the proto's rules say. */
  static std::string validated(absl::string_view text) {
    config::Report report;
    config::validateMessage(*parse(text), config::FieldPath(), report);
    return report.violations.toString();
  }
  http::RouteServices services() {
    return {store_.root(), &request_stats_,
            runtime_,      operators_,
            per_route_,    [this](absl::string_view name) { return clusters_.count(std::string(name)) != 0; }};
  }

  stats::Store store_;
  FakeDispatcher dispatcher_;
  http::RequestStatsTable request_stats_{dispatcher_, store_.root()};
  std::shared_ptr<const runtime::Snapshot> runtime_ = std::make_shared<const runtime::Snapshot>();
  access_log::OperatorTable operators_;
  FakePerRouteConfigs per_route_;
  std::set<std::string> clusters_{"a", "b"};
  config::Violations violations_;
};

/** A request's headers, and what is known of it beside. */
struct FakeRequest {
  explicit FakeRequest(absl::string_view authority, absl::string_view path,
                       const std::vector<std::pair<std::string, std::string>>& more = {}) {
    headers.add(":method", "GET");
    headers.add(":authority", authority);
    headers.add(":path", path);
    for (const auto& [name, value] : more) {
      headers.add(name, value);
    }
  }
  http::RouteQuery query(uint64_t random = 0) const { return {.headers = headers, .info = info, .random = random}; }
  /** The name of its route; "" for none. */
  std::string routeIn(const http::RouteTable& table, uint64_t random = 0) const {
    const http::Route* const route = table.find(query(random));
    return route == nullptr ? "" : route->name;
  }

  base::Arena arena;
  http::HeaderMap headers{arena};
  http::StreamInfo info;
};

}  // namespace sluice::test
