#include "source/access_log/log_filter.h"

#include <chrono>
#include <string>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace sluice::access_log {
namespace {

using envoy::config::accesslog::v3::AccessLogFilter;

class LogFilterTest : public testing::Test {
 protected:
  LogFilterTest() { info_.end_monotonic = info_.start_monotonic + std::chrono::milliseconds(42); }

  LogFilterPtr create(const std::string& json) {
    AccessLogFilter config;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &config).ok()) << json;
    return LogFilterFactory(runtime_).create(config, config::FieldPath("filter"), violations_);
  }
  bool matches(const std::string& json, LogType type = LogType::TcpConnectionEnd) {
    const LogFilterPtr filter = create(json);
    EXPECT_NE(filter, nullptr) << violations_.toString();
    return filter != nullptr && filter->matches({info_, type});
  }

  std::shared_ptr<const runtime::Snapshot> runtime_;
  config::Violations violations_;
  net::StreamInfo info_;
};

std::string duration(const std::string& op, int value) {
  return R"({"duration_filter": {"comparison": {"op": ")" + op + R"(", "value": {"default_value": )" +
         std::to_string(value) + R"(, "runtime_key": "log.slow"}}}})";
}

TEST_F(LogFilterTest, ComparesDurations) {
  EXPECT_TRUE(matches(duration("GE", 42)));
  EXPECT_FALSE(matches(duration("GE", 43)));
  EXPECT_TRUE(matches(duration("LE", 42)));
  EXPECT_FALSE(matches(duration("LE", 41)));
  EXPECT_TRUE(matches(duration("EQ", 42)));
  EXPECT_FALSE(matches(duration("EQ", 41)));
  EXPECT_TRUE(matches(duration("NE", 41)));
}

TEST_F(LogFilterTest, TakesTheNumberFromRuntimeWhereItIsSet) {
  envoy::config::bootstrap::v3::LayeredRuntime layers;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  R"({"layers": [{"name": "a", "static_layer": {"log.slow": 100, "log.share": 100}}]})", &layers)
                  .ok());
  EXPECT_TRUE(matches(duration("GE", 42)));
  EXPECT_FALSE(matches(R"({"runtime_filter": {"runtime_key": "log.share"}})"));
  runtime_ = runtime::Snapshot::create(layers, config::FieldPath("runtime"), violations_);
  EXPECT_FALSE(matches(duration("GE", 42)));
  EXPECT_TRUE(matches(R"({"runtime_filter": {"runtime_key": "log.share"}})"));
}

TEST_F(LogFilterTest, CombinesFilters) {
  EXPECT_TRUE(matches(R"({"and_filter": {"filters": [)" + duration("GE", 40) + "," + duration("LE", 50) + "]}}"));
  EXPECT_FALSE(matches(R"({"and_filter": {"filters": [)" + duration("GE", 40) + "," + duration("LE", 41) + "]}}"));
  EXPECT_TRUE(matches(R"({"or_filter": {"filters": [)" + duration("GE", 50) + "," + duration("LE", 50) + "]}}"));
  EXPECT_FALSE(matches(R"({"or_filter": {"filters": [)" + duration("GE", 50) + "," + duration("LE", 41) + "]}}"));
}

TEST_F(LogFilterTest, LooksForFlags) {
  EXPECT_FALSE(matches(R"({"response_flag_filter": {}})"));
  info_.response_flags = net::response_flag::kUpstreamConnectionFailure;
  EXPECT_TRUE(matches(R"({"response_flag_filter": {}})"));
  EXPECT_TRUE(matches(R"({"response_flag_filter": {"flags": ["UH", "UF"]}})"));
  EXPECT_FALSE(matches(R"({"response_flag_filter": {"flags": ["UH", "DF"]}})"));
}

TEST_F(LogFilterTest, LooksAtTheKindOfEvent) {
  EXPECT_TRUE(matches(R"({"log_type_filter": {"types": ["TcpPeriodic", "DownstreamEnd"]}})", LogType::DownstreamEnd));
  EXPECT_FALSE(matches(R"({"log_type_filter": {"types": ["TcpPeriodic"]}})", LogType::DownstreamEnd));
  EXPECT_TRUE(matches(R"({"log_type_filter": {"types": ["TcpPeriodic"], "exclude": true}})", LogType::DownstreamEnd));
  EXPECT_FALSE(matches(R"({"log_type_filter": {"types": ["TcpPeriodic"], "exclude": true}})", LogType::TcpPeriodic));
}

TEST_F(LogFilterTest, NamesWhatItCannotMake) {
  EXPECT_EQ(create(R"({"response_flag_filter": {"flags": ["UH", "XX"]}})"), nullptr);
  EXPECT_EQ(create(R"({"extension_filter": {"name": "x"}})"), nullptr);
  EXPECT_EQ(create(R"({})"), nullptr);
  EXPECT_EQ(create(R"({"traceable_filter": {}})"), nullptr);
  EXPECT_EQ(violations_.toString(),
            "filter.response_flag_filter.flags[1]: there is no response flag 'XX'\n"
            "filter.extension_filter: there are no access log filter extensions\n"
            "filter: must name a filter\n"
            "filter: this filter is for requests, and here there are none\n");
}

}  // namespace
}  // namespace sluice::access_log
