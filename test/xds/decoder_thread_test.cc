#include "source/xds/decoder_thread.h"

#include <sched.h>

#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "test/xds/resources.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryResponse;

class DecoderThreadTest : public ::testing::Test {
 protected:
  static ResponseReader reader(DiscoveryResponse response) {
    return [response = std::move(response)](DiscoveryResponse& out, config::SourceMap&) {
      out = response;
      return absl::OkStatus();
    };
  }

  event::LibeventDispatcher main_{"main_thread"};
  std::unique_ptr<DecoderThread> decoder_ =
      std::make_unique<DecoderThread>(main_, std::make_unique<event::LibeventDispatcher>("decoder"));
};

TEST_F(DecoderThreadTest, DecodesInOrderAndAnswersOnMain) {
  std::vector<std::string> versions;
  for (int i = 0; i < 20; ++i) {
    std::vector<envoy::config::cluster::v3::Cluster> clusters;
    // Every other response is large, so that an order by size would show.
    for (int c = 0; c < (i % 2 == 0 ? 300 : 1); ++c) {
      clusters.push_back(test::cluster(absl::StrCat("c", c)));
    }
    decoder_->decode(reader(test::response(absl::StrCat(i), "n", clusters)), "", [&](DecodedResponse response) {
      EXPECT_TRUE(main_.isThreadSafe());
      versions.push_back(response.version);
      if (versions.size() == 20) {
        main_.exit();
      }
    });
  }
  main_.run(event::Dispatcher::RunType::UntilExit);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(versions[static_cast<size_t>(i)], absl::StrCat(i));
  }
}

TEST_F(DecoderThreadTest, ReadsOnItsOwnThread) {
  std::thread::id read_on;
  decoder_->decode(
      [&read_on](DiscoveryResponse&, config::SourceMap&) {
        read_on = std::this_thread::get_id();
        return absl::InvalidArgumentError("no");
      },
      "", [&](DecodedResponse) { main_.exit(); });
  main_.run(event::Dispatcher::RunType::UntilExit);
  EXPECT_NE(read_on, std::this_thread::get_id());
}

TEST_F(DecoderThreadTest, TakesNoProcessorFromWhoIsRunning) {
  int policy = -1;
  decoder_->decode(
      [&policy](DiscoveryResponse&, config::SourceMap&) {
        policy = sched_getscheduler(0);
        return absl::OkStatus();
      },
      "", [&](DecodedResponse) { main_.exit(); });
  main_.run(event::Dispatcher::RunType::UntilExit);
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(DecoderThreadTest, TellsOfUnknownFields) {
  std::vector<std::string> unknown;
  decoder_->setFindingsSink(
      [&](const std::vector<std::string>&, const std::vector<std::string>& paths) { unknown = paths; });
  auto strange = test::cluster("a");
  strange.GetReflection()->MutableUnknownFields(&strange)->AddVarint(54321, 1);
  decoder_->decode(reader(test::response<envoy::config::cluster::v3::Cluster>("1", "n", {strange})), "",
                   [&](DecodedResponse) { main_.exit(); });
  main_.run(event::Dispatcher::RunType::UntilExit);
  EXPECT_EQ(unknown.size(), 1u);
}

TEST_F(DecoderThreadTest, WhatIsLeftAtTheEndIsDroppedUnseen) {
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    std::vector<envoy::config::cluster::v3::Cluster> clusters(100, test::cluster("x"));
    decoder_->decode(reader(test::response("1", "n", clusters)), "", [&answered](DecodedResponse) { ++answered; });
  }
  decoder_.reset();
  main_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_EQ(answered, 0);
}

}  // namespace
}  // namespace sluice::xds
