// Connections that a service is asked about.

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/filters/http/service_filters.h"
#include "source/http/access_log_operators.h"
#include "source/net/connection.h"
#include "source/stats/store.h"
#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::filters {
namespace {

using envoy::service::auth::v3::CheckRequest;
using envoy::service::auth::v3::CheckResponse;
using Proto = envoy::extensions::filters::network::ext_authz::v3::ExtAuthz;

/** The filter after: notes what it is given. */
class Sink : public net::ReadFilter {
 public:
  explicit Sink(std::string& got) : got_(got) {}
  void initialize(net::ReadFilterCallbacks&) override {}
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }
  net::FilterStatus onData(net::Buffer& data, bool) override {
    got_ += data.toString();
    data.clear();
    return net::FilterStatus::StopIteration;
  }

 private:
  std::string& got_;
};

class NetworkExtAuthzTest : public testing::Test {
 protected:
  void start(const std::string& more = "") {
    Proto proto;
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(
        absl::StrCat("{stat_prefix: s, grpc_service: {envoy_grpc: {cluster_name: service}}", more, "}"), proto, {},
        nullptr, violations))
        << violations.toString();
    xds::InitManager init("test");
    listener::FactoryContext context{init, "listener", "listener"};
    auto config = factory_->create(proto, config::FieldPath("f"), context, violations);
    ASSERT_NE(nullptr, config) << violations.toString();
    live_ = std::make_unique<net::LiveFilterConfig>(std::move(config));
    auto [ours, theirs] = test::unixPair();
    fd_ = ours.fd();
    peer_ = std::move(theirs);
    net::StreamInfo info;
    info.downstream_remote = *net::Address::ip("10.1.2.3", 5);
    connection_ = net::Connection::server(dispatcher_, std::move(ours),
                                          std::make_unique<test::LoopbackTransport>(wire_), std::move(info));
    live_->shared()->addTo(*connection_, *live_);
    connection_->addReadFilter(std::make_unique<Sink>(got_));
    dispatcher_.callback([this] { ASSERT_TRUE(connection_->initializeReadFilters()); });
  }
  void receive(absl::string_view bytes) {
    wire_->incoming.append(bytes.data(), bytes.size());
    dispatcher_.fire(fd_, event::ready::kRead | event::ready::kWrite);
  }
  void answer(int32_t code) {
    CheckResponse response;
    response.mutable_status()->set_code(code);
    dispatcher_.callback([&] {
      auto* const stream = upstreams_.last();
      stream->answerHeaders({{":status", "200"}}, false);
      stream->answerData(test::grpcFrame(response.SerializeAsString()), false);
      stream->answerTrailers({{"grpc-status", "0"}});
    });
    dispatcher_.runUntilIdle();
  }
  uint64_t counter(const std::string& name) { return store_.counterValue("ext_authz.s." + name); }
  bool open() const { return connection_->state() == net::Connection::State::Open; }

  test::FakeDispatcher dispatcher_;
  stats::Store store_;
  test::FakeUpstreams upstreams_;
  thread::SlotAllocator slots_{dispatcher_};
  const runtime::Snapshot runtime_;
  const access_log::OperatorTable operators_ = http::accessLogOperators();
  const envoy::config::core::v3::Node node_;
  const std::unique_ptr<listener::NetworkFilterFactory> factory_ =
      networkExtAuthzFactory({dispatcher_, slots_, store_.root(), upstreams_, {runtime_, operators_}, node_});
  std::unique_ptr<net::LiveFilterConfig> live_;
  std::shared_ptr<test::Loopback> wire_ = std::make_shared<test::Loopback>();
  net::Socket peer_;
  int fd_ = -1;
  std::string got_;
  std::unique_ptr<net::Connection> connection_;
};

TEST_F(NetworkExtAuthzTest, HoldsTheFirstBytesUntilTheServiceSaysYes) {
  start();
  EXPECT_TRUE(upstreams_.requests.empty());
  receive("hello");
  ASSERT_EQ(1u, upstreams_.requests.size());
  CheckRequest asked;
  ASSERT_TRUE(asked.ParseFromString(upstreams_.requests[0].body.substr(5)));
  EXPECT_EQ("10.1.2.3", asked.attributes().source().address().socket_address().address());
  EXPECT_EQ("", got_);
  answer(0);
  EXPECT_EQ("hello", got_);
  receive(" again");
  EXPECT_EQ("hello again", got_);
  EXPECT_EQ(1u, upstreams_.requests.size());
  EXPECT_EQ(1u, counter("ok"));
  EXPECT_EQ(0u, store_.gaugeValue("ext_authz.s.active"));
}

TEST_F(NetworkExtAuthzTest, ClosesWhatTheServiceDenies) {
  start();
  receive("hello");
  answer(7);
  EXPECT_FALSE(open());
  EXPECT_EQ("", got_);
  EXPECT_EQ(net::response_flag::kUnauthorizedExternalService, connection_->streamInfo().response_flags);
  EXPECT_EQ(1u, counter("denied"));
  EXPECT_EQ(1u, counter("cx_closed"));
}

TEST_F(NetworkExtAuthzTest, ClosesWhenTheServiceCannotBeAsked) {
  upstreams_.known = "other";
  start();
  receive("hello");
  EXPECT_FALSE(open());
  EXPECT_EQ(1u, counter("error"));
}

TEST_F(NetworkExtAuthzTest, MayLetPassWhatCannotBeAsked) {
  upstreams_.known = "other";
  start(", failure_mode_allow: true");
  receive("hello");
  EXPECT_TRUE(open());
  EXPECT_EQ("hello", got_);
  EXPECT_EQ(1u, counter("failure_mode_allowed"));
}

TEST_F(NetworkExtAuthzTest, GivesUpAskingWhenTheConnectionGoes) {
  start();
  receive("hello");
  dispatcher_.callback([this] { connection_->close(net::CloseType::NoFlush); });
  EXPECT_TRUE(upstreams_.requests[0].reset);
  EXPECT_EQ(0u, store_.gaugeValue("ext_authz.s.active"));
}

}  // namespace
}  // namespace sluice::filters
