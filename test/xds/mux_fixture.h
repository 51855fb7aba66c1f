#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "source/xds/mux.h"
#include "test/support/fake_dispatcher.h"
#include "test/xds/fake_transport.h"
#include "test/xds/recording_watcher.h"
#include "test/xds/requests.h"
#include "test/xds/resources.h"

namespace sluice::test {

/** What streams of responses stand on: time is the test's, and only the decoder is a real thread. */
class DecodingTest : public ::testing::Test {
 protected:
  /** Until all that was received has been decoded and worked on, as far as it goes. */
  void settle() {
    bool decoded = false;
    decoder_.decode(
        [](envoy::service::discovery::v3::DiscoveryResponse&, config::SourceMap&) { return absl::OkStatus(); },
        std::string(xds::kClusterType), [&decoded](xds::DecodedResponse) { decoded = true; });
    while (!decoded) {
      main_.runUntilIdle();
      std::this_thread::yield();
    }
    main_.runUntilIdle();
  }
  uint64_t counter(const std::string& name) { return store_.counterValue(name); }

  FakeDispatcher main_;
  stats::Store store_;
  base::Random random_{1};
  xds::DecoderThread decoder_{main_, std::make_unique<event::LibeventDispatcher>("decoder")};
};

/** The mux over a scripted wire; what it is asked in says which variant it speaks. */
template <class Request>
class MuxFixture : public DecodingTest {
 protected:
  using Requests = std::vector<Request>;

  MuxFixture() { make(); }

  void make(bool node_on_first_message_only = true) {
    xds::Mux::Options options;
    options.node.set_id("me");
    options.set_node_on_first_message_only = node_on_first_message_only;
    if (std::is_same_v<Request, envoy::service::discovery::v3::DeltaDiscoveryRequest>) {
      options.variant = xds::Variant::Delta;
    }
    mux_ = std::make_unique<xds::Mux>(main_, *store_.root(), decoder_, random_, wire_.transport(), "xds", options);
  }

  std::unique_ptr<xds::Subscription> clusters(RecordingWatcher& watcher,
                                              std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
    return mux_->subscribe(xds::kClusterType, {}, "cluster_manager.cds.", timeout, watcher);
  }
  std::unique_ptr<xds::Subscription> endpoints(const std::string& name, RecordingWatcher& watcher,
                                               std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
    return mux_->subscribe(xds::kEndpointType, {name}, absl::StrCat("cluster.", name, "."), timeout, watcher);
  }

  Requests takeRequests() { return wire_.template take<Request>(); }
  Requests settledRequests() {
    settle();
    return takeRequests();
  }
  Requests answerTo(const google::protobuf::Message& response) {
    wire_.receive(response);
    return settledRequests();
  }

  FakeWire wire_;
  std::unique_ptr<xds::Mux> mux_;
};

/** The mux speaking state of the world. */
class MuxTest : public MuxFixture<envoy::service::discovery::v3::DiscoveryRequest> {
 protected:
  using MuxFixture::answerTo;
  template <class Message>
  Requests answerTo(const std::string& version, const std::string& nonce, const std::vector<Message>& resources) {
    return answerTo(response(version, nonce, resources));
  }
};

}  // namespace sluice::test
