#include "source/http/access_log_filters.h"

#include <string>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

#include "test/http/access_log_fixture.h"

namespace sluice::http {
namespace {

class AccessLogFiltersTest : public testing::Test {
 protected:
  access_log::LogFilterPtr create(const std::string& json) {
    envoy::config::accesslog::v3::AccessLogFilter config;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &config).ok()) << json;
    return access_log::LogFilterFactory(nullptr, makeAccessLogFilter)
        .create(config, config::FieldPath("filter"), violations_);
  }
  bool matches(const std::string& json) {
    const auto filter = create(json);
    EXPECT_NE(filter, nullptr) << violations_.toString();
    return filter != nullptr && filter->matches(request_.context());
  }
  bool matchesTcp(const std::string& json) { return create(json)->matches({net::StreamInfo()}); }

  test::LoggedRequest request_;
  config::Violations violations_;
};

TEST_F(AccessLogFiltersTest, CompareTheStatus) {
  const std::string at_least_500 =
      R"({"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "k"}}}})";
  EXPECT_FALSE(matches(at_least_500));
  EXPECT_FALSE(matchesTcp(at_least_500));
  request_.info.response_code = 503;
  EXPECT_TRUE(matches(at_least_500));
  EXPECT_TRUE(matches(R"({"or_filter": {"filters": [)" + at_least_500 + R"(, {"traceable_filter": {}}]}})"));
  EXPECT_FALSE(matches(R"({"and_filter": {"filters": [)" + at_least_500 + R"(, {"traceable_filter": {}}]}})"));
}

TEST_F(AccessLogFiltersTest, TellHealthChecksAndTracesApart) {
  EXPECT_TRUE(matches(R"({"not_health_check_filter": {}})"));
  EXPECT_FALSE(matches(R"({"traceable_filter": {}})"));
  request_.info.trace = true;
  EXPECT_TRUE(matches(R"({"traceable_filter": {}})"));
  request_.info.health_check = true;
  EXPECT_FALSE(matches(R"({"not_health_check_filter": {}})"));
  EXPECT_FALSE(matches(R"({"traceable_filter": {}})"));
  EXPECT_TRUE(matchesTcp(R"({"not_health_check_filter": {}})"));
  EXPECT_FALSE(matchesTcp(R"({"traceable_filter": {}})"));
}

TEST_F(AccessLogFiltersTest, SampleByTheRequestsId) {
  // The id's first eight digits are 796330171, which is 171 of ten thousand.
  const auto share = [](const std::string& percent) {
    return R"({"runtime_filter": {"runtime_key": "k", "percent_sampled": )" + percent + "}}";
  };
  EXPECT_TRUE(matches(share(R"({"numerator": 172, "denominator": "TEN_THOUSAND"})")));
  EXPECT_FALSE(matches(share(R"({"numerator": 171, "denominator": "TEN_THOUSAND"})")));
  EXPECT_TRUE(matches(share(R"({"numerator": 100})")));
  EXPECT_FALSE(matches(share(R"({"numerator": 0})")));
}

TEST_F(AccessLogFiltersTest, LookAtTheStatusOfGrpc) {
  request_.response.add("grpc-status", "14");
  EXPECT_TRUE(matches(R"({"grpc_status_filter": {"statuses": ["UNAVAILABLE", "OK"]}})"));
  EXPECT_FALSE(matches(R"({"grpc_status_filter": {"statuses": ["OK"]}})"));
  EXPECT_TRUE(matches(R"({"grpc_status_filter": {"statuses": ["OK"], "exclude": true}})"));
  EXPECT_TRUE(matchesTcp(R"({"grpc_status_filter": {"statuses": ["UNKNOWN"]}})"));
}

TEST_F(AccessLogFiltersTest, LookAtRequestHeaders) {
  EXPECT_TRUE(matches(R"({"header_filter": {"header": {"name": ":method", "string_match": {"exact": "GET"}}}})"));
  EXPECT_FALSE(matches(R"({"header_filter": {"header": {"name": ":method", "string_match": {"exact": "PUT"}}}})"));
  EXPECT_FALSE(matchesTcp(R"({"header_filter": {"header": {"name": ":method", "present_match": true}}})"));
}

TEST_F(AccessLogFiltersTest, LookAtDynamicMetadata) {
  const auto filter = [](const std::string& value, const std::string& missing) {
    return R"({"metadata_filter": {"matcher": {"filter": "ns", "path": [{"key": "k"}], "value": {"string_match": )"
           R"({"exact": ")" +
           value + R"("}}}, "match_if_key_not_found": )" + missing + "}}";
  };
  EXPECT_TRUE(matches(filter("a", "true")));
  EXPECT_FALSE(matches(filter("a", "false")));
  auto& metadata = request_.info.makeExtras().metadata;
  metadata = std::make_unique<envoy::config::core::v3::Metadata>();
  (*(*metadata->mutable_filter_metadata())["ns"].mutable_fields())["k"].set_string_value("a");
  EXPECT_TRUE(matches(filter("a", "false")));
  EXPECT_FALSE(matches(filter("b", "true")));
}

TEST_F(AccessLogFiltersTest, NameWhatIsWrongInAHeader) {
  create(R"({"and_filter": {"filters": [{"header_filter": {"header":
      {"name": "x", "string_match": {"safe_regex": {"regex": "("}}}}}]}})");
  EXPECT_NE(violations_.toString().find("filter.and_filter.filters[0].header_filter.header.string_match"),
            std::string::npos)
      << violations_.toString();
}

}  // namespace
}  // namespace sluice::http
