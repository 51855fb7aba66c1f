#include "source/xds/subscription_factory.h"

#include "envoy/config/core/v3/config_source.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"
#include "test/xds/fake_transport.h"
#include "test/xds/recording_watcher.h"
#include "test/xds/temporary_directory.h"

namespace sluice::xds {
namespace {

class SubscriptionFactoryTest : public ::testing::Test {
 protected:
  SubscriptionFactoryTest() : files_(*FileWatcher::create(main_)) {}

  absl::StatusOr<std::unique_ptr<Subscription>> subscribe(const std::string& yaml, bool with_ads = true) {
    envoy::config::core::v3::ConfigSource source;
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(yaml, source, {}, nullptr, violations)) << violations.toString();
    factory_ = std::make_unique<ConfigSourceSubscriptions>(main_, *store_.root(), decoder_, *files_,
                                                           with_ads ? &mux_ : nullptr, own_);
    return factory_->subscribe(source, kClusterType, {}, "cluster_manager.cds.", watcher_);
  }
  std::string refusal(const std::string& yaml, bool with_ads = true) {
    return std::string(subscribe(yaml, with_ads).status().message());
  }

  test::FakeDispatcher main_;
  stats::Store store_;
  base::Random random_{1};
  DecoderThread decoder_{main_, std::make_unique<event::LibeventDispatcher>("decoder")};
  std::unique_ptr<FileWatcher> files_;
  test::FakeWire wire_;
  Mux mux_{main_, *store_.root(), decoder_, random_, wire_.transport(), "xds", {}};
  OwnStreams own_{main_,
                  *store_.root(),
                  decoder_,
                  random_,
                  {},
                  [](const auto&, const auto&) -> absl::StatusOr<std::unique_ptr<Transport>> {
                    return absl::InvalidArgumentError("there is no such cluster");
                  }};
  test::RecordingWatcher watcher_;
  std::unique_ptr<ConfigSourceSubscriptions> factory_;
};

TEST_F(SubscriptionFactoryTest, AdsHasTheDefaultFetchTimeout) {
  auto subscription = subscribe("{ads: {}, resource_api_version: V3}");
  ASSERT_TRUE(subscription.ok());
  main_.advance(std::chrono::milliseconds(14999));
  EXPECT_TRUE(watcher_.failures.empty());
  main_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(watcher_.failures.size(), 1u);
}

TEST_F(SubscriptionFactoryTest, FetchTimeoutOfZeroWaitsForEver) {
  auto subscription = subscribe("{ads: {}, initial_fetch_timeout: 0s}");
  ASSERT_TRUE(subscription.ok());
  main_.advance(std::chrono::hours(10));
  EXPECT_TRUE(watcher_.failures.empty());
}

TEST_F(SubscriptionFactoryTest, TakesFilesInBothSpellings) {
  test::TemporaryDirectory directory;
  directory.write("cds.yaml", "resources: []\n");
  EXPECT_TRUE(subscribe("{path_config_source: {path: " + directory.file("cds.yaml") + "}}").ok());
  EXPECT_TRUE(subscribe("{path: " + directory.file("cds.yaml") + "}").ok());
  EXPECT_NE(refusal("{path: /no/such/file}").find("/no/such/file"), std::string::npos);
}

TEST_F(SubscriptionFactoryTest, SaysWhatItDoesNotHave) {
  EXPECT_EQ(refusal("{ads: {}}", false).find("ads: "), 0u);
  EXPECT_EQ(refusal("{api_config_source: {api_type: REST}}").find("api_config_source.api_type: REST"), 0u);
  EXPECT_EQ(refusal("{api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: "
                    "{cluster_name: x}}]}}"),
            "api_config_source.grpc_services[0].envoy_grpc.cluster_name: there is no such cluster");
  EXPECT_EQ(refusal("{self: {}}").find("self: "), 0u);
  EXPECT_NE(refusal("{}").find("path_config_source"), std::string::npos);
  EXPECT_NE(refusal("{ads: {}, resource_api_version: V2}").find("V2"), std::string::npos);
}

}  // namespace
}  // namespace sluice::xds
