// Clusters of type ORIGINAL_DST, on a worker.

#include "source/cluster/original_destinations.h"

#include "envoy/config/core/v3/base.pb.h"
#include <gtest/gtest.h>

#include "source/cluster/original_destination_list.h"
#include "source/http/header_map.h"
#include "source/net/filter_state.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::cluster {
namespace {

class OriginalDestinationsTest : public testing::Test {
 protected:
  OriginalDestinationsTest() {
    rules_.main = &dispatcher_;
    rules_.list = list_;
    rules_.cleanup_interval = std::chrono::seconds(5);
  }
  void make() {
    auto info = std::make_unique<ClusterInfo>(dispatcher_, scope_);
    info->name = info->observability_name = std::make_shared<const std::string>("be");
    auto recipe = std::make_shared<ConnectionRecipe>();
    recipe->setTransport(std::make_shared<net::RawTransportSocketFactory>());
    info->recipe = recipe;
    info->breakers = std::make_shared<CircuitBreakers>(*scope_);
    info->original_destination = std::make_unique<OriginalDestinationRules>(rules_);
    cluster_ = std::make_unique<LocalCluster>(dispatcher_, std::move(info), nullptr);
    destinations_ = std::make_unique<OriginalDestinations>(*cluster_);
  }
  ~OriginalDestinationsTest() override {
    destinations_.reset();
    cluster_.reset();
    dispatcher_.runUntilIdle();
  }
  std::string pick(const net::StreamInfo* stream, const http::HeaderMap* headers = nullptr) {
    LoadBalancerContext context;
    context.downstream = stream;
    context.request_headers = headers;
    const PickedEndpoint picked = destinations_->pick(context);
    return picked.entry == nullptr ? "" : *picked.entry->endpoint->name();
  }
  static net::StreamInfo redirected(absl::string_view ip, uint16_t port) {
    net::StreamInfo stream;
    stream.downstream_local = *net::Address::ip(ip, port);
    stream.makeExtras().local_address_restored = true;
    return stream;
  }

  test::FakeDispatcher dispatcher_;
  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.be");
  int changes_ = 0;
  const std::shared_ptr<OriginalDestinationList> list_ =
      std::make_shared<OriginalDestinationList>([this] { ++changes_; });
  OriginalDestinationRules rules_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<OriginalDestinations> destinations_;
};

TEST_F(OriginalDestinationsTest, ARestoredAddressIsTheDestination) {
  make();
  EXPECT_EQ("10.0.0.1:80", pick(std::make_unique<net::StreamInfo>(redirected("10.0.0.1", 80)).get()));
  net::StreamInfo plain;
  plain.downstream_local = *net::Address::ip("10.0.0.2", 80);
  EXPECT_EQ("", pick(&plain)) << "a connection that was not redirected meant us";
  EXPECT_EQ("", pick(nullptr));
  EXPECT_EQ(0u, store_.counterValue("cluster.be.original_dst_host_invalid"));
}

TEST_F(OriginalDestinationsTest, ThePortMayBeGiven) {
  rules_.port = 15008;
  make();
  const net::StreamInfo stream = redirected("fd00::1", 80);
  EXPECT_EQ("[fd00::1]:15008", pick(&stream));
}

TEST_F(OriginalDestinationsTest, AHeaderWinsOverTheConnection) {
  rules_.header = "x-envoy-original-dst-host";
  make();
  const net::StreamInfo stream = redirected("10.0.0.1", 80);
  base::Arena arena;
  const auto with = [&](absl::string_view value) {
    http::HeaderMap headers(arena);
    headers.add("x-envoy-original-dst-host", value);
    return pick(&stream, &headers);
  };
  EXPECT_EQ("10.0.0.3:81", with("10.0.0.3:81"));
  EXPECT_EQ("[::1]:82", with("[::1]:82"));
  int invalid = 0;
  for (const char* wrong : {"nonsense", "10.0.0.3", "10.0.0.3:65536", "::1:82", "host.test:80"}) {
    EXPECT_EQ("10.0.0.1:80", with(wrong)) << wrong;
    EXPECT_EQ(++invalid, static_cast<int>(store_.counterValue("cluster.be.original_dst_host_invalid")));
  }
}

TEST_F(OriginalDestinationsTest, MetadataAndFilterStateWinOverTheHeader) {
  rules_.metadata_filter = "dst";
  rules_.metadata_path = {"a", "b"};
  make();
  net::StreamInfo stream = redirected("10.0.0.1", 80);
  EXPECT_EQ("10.0.0.1:80", pick(&stream));
  stream.extras->metadata = std::make_unique<envoy::config::core::v3::Metadata>();
  auto& a = (*(*stream.extras->metadata->mutable_filter_metadata())["dst"].mutable_fields())["a"];
  (*a.mutable_struct_value()->mutable_fields())["b"].set_string_value("10.0.0.4:84");
  EXPECT_EQ("10.0.0.4:84", pick(&stream));
  stream.extras->filter_state.set("envoy.network.transport_socket.original_dst_address",
                                  std::make_shared<net::TextFilterState>("10.0.0.5:85"));
  EXPECT_EQ("10.0.0.5:85", pick(&stream));
}

TEST_F(OriginalDestinationsTest, AnEndpointIsOneUntilNothingUsesIt) {
  make();
  const net::StreamInfo stream = redirected("10.0.0.1", 80);
  const PickedEndpoint first = destinations_->pick(stream);
  const PickedEndpoint second = destinations_->pick(stream);
  EXPECT_EQ(first.entry, second.entry);
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1u, list_->size());
  EXPECT_EQ(1, changes_);

  // A connection keeps it.
  first.entry->endpoint->tryAcquireConnection(std::nullopt);
  dispatcher_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(destinations_->knows(*first.entry->endpoint));
  EXPECT_EQ(1u, list_->snapshot()->entries().front().endpoint->counts().cx_active.load());
  first.entry->endpoint->releaseConnection();
  dispatcher_.advance(std::chrono::seconds(11));
  EXPECT_FALSE(destinations_->knows(*first.entry->endpoint));
  EXPECT_EQ(0u, list_->size());
  EXPECT_EQ(2, changes_);
  EXPECT_NE(first.entry, destinations_->pick(stream).entry);
}

TEST_F(OriginalDestinationsTest, MainSumsUpWhatWorkersHave) {
  const auto a = std::make_shared<Endpoint>(*net::Address::ip("10.0.0.1", 80), "");
  const auto b = std::make_shared<Endpoint>(*net::Address::ip("10.0.0.1", 80), "");
  a->requestsOf(this).countTotal();
  b->requestsOf(this).countTotal();
  b->counts().cx_total += 3;
  list_->add(a);
  list_->add(b);
  EXPECT_EQ(1, changes_);
  const auto set = list_->snapshot();
  ASSERT_EQ(1u, set->entries().size());
  EXPECT_EQ(2u, set->entries().front().endpoint->requestCounts().total);
  EXPECT_EQ(3u, set->entries().front().endpoint->counts().cx_total.load());
  list_->remove(a);
  EXPECT_EQ(1u, list_->size());
}

}  // namespace
}  // namespace sluice::cluster
