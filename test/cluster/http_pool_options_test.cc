// What requests ask of their connections' transport: pools by options, and protocols by ALPN.

#include <gtest/gtest.h>

#include "source/http/header_map.h"
#include "source/net/filter_state.h"
#include "test/cluster/fake_transport.h"
#include "test/cluster/http_pool_fixture.h"

namespace sluice::cluster {
namespace {

class HttpPoolOptionsTest : public HttpPoolTest {
 protected:
  HttpPoolOptionsTest() {
    auto recipe = std::make_shared<ConnectionRecipe>(*recipe_);
    recipe->setTransport(transport_);
    recipe_ = recipe;
  }
  void begin(User& user, const LoadBalancerContext& context, HttpStreamOptions options = {}) {
    user.upstream = cluster().newHttpStream(user, user, context, options);
    user.upstream->start();
  }
  /** A stream on a connection, whichever; done with. */
  void ask(const LoadBalancerContext& context, HttpStreamOptions options = {}) {
    User user;
    begin(user, context, options);
    ASSERT_TRUE(until([&] { return user.readies == 1 || user.failure.has_value(); }));
    ASSERT_FALSE(user.failure.has_value());
    codecs_->all.back()->forget(static_cast<FakeCodec::Stream&>(*user.stream.sender));
    user.upstream->onStreamEnd();
    turn();
  }
  static void leave(net::StreamInfo& stream, absl::string_view name, absl::string_view value) {
    stream.makeExtras().filter_state.set(name, std::make_shared<net::TextFilterState>(std::string(value)));
  }
  const net::TransportSocketOptions& lastMade() const { return *transport_->made.back().options; }

  const std::shared_ptr<test::FakeTransport> transport_ = std::make_shared<test::FakeTransport>();
};

TEST_F(HttpPoolOptionsTest, FilterStateDecidesWhichConnectionsAreShared) {
  addDefault();
  net::StreamInfo one;
  leave(one, "envoy.network.application_protocols", "istio-http/1.1, istio,http/1.1");
  leave(one, "envoy.network.upstream_server_name", "one.test");
  leave(one, "envoy.network.upstream_subject_alt_names", "spiffe://a,spiffe://b");
  ask(one);
  ASSERT_EQ(1u, transport_->made.size());
  EXPECT_EQ((std::vector<std::string>{"istio-http/1.1", "istio", "http/1.1"}), lastMade().protocols);
  EXPECT_EQ((std::vector<std::string>{"http/1.1"}), lastMade().fallback_protocols);
  EXPECT_EQ("one.test", lastMade().server_name);
  EXPECT_EQ((std::vector<std::string>{"spiffe://a", "spiffe://b"}), lastMade().verify_names);
  EXPECT_EQ("host.test", transport_->made.back().hostname);
  ask(one);
  EXPECT_EQ(1u, transport_->made.size()) << "the same options share a connection";

  net::StreamInfo two;
  leave(two, "envoy.network.upstream_server_name", "two.test");
  ask(two);
  EXPECT_EQ(2u, transport_->made.size());
  ask(LoadBalancerContext());
  EXPECT_EQ(3u, transport_->made.size());
  EXPECT_EQ("", lastMade().server_name);
  ask(one);
  EXPECT_EQ(3u, transport_->made.size());
}

TEST_F(HttpPoolOptionsTest, ATransportThatReadsNoOptionsSharesAll) {
  transport_->reads_options = false;
  change([](HttpOptions&) {});
  auto recipe = std::make_shared<ConnectionRecipe>(*recipe_);
  recipe->setTransport(transport_);
  recipe_ = recipe;
  addDefault();
  net::StreamInfo one;
  leave(one, "envoy.network.upstream_server_name", "one.test");
  ask(one);
  ask(LoadBalancerContext());
  EXPECT_EQ(1u, transport_->made.size());
  EXPECT_EQ(nullptr, transport_->made.back().options);
}

TEST_F(HttpPoolOptionsTest, TheRequestsHostIsAskedFor) {
  change([](HttpOptions& http) {
    http.auto_sni = true;
    http.auto_sni_san_validation = true;
    http.sni_header = "x-host";
  });
  addDefault();
  base::Arena arena;
  const auto askWith = [&](absl::string_view host, absl::string_view header, const net::StreamInfo* stream = nullptr) {
    http::HeaderMap headers(arena);
    headers.set(http::HeaderId::Authority, host);
    if (!header.empty()) {
      headers.add("x-host", header);
    }
    LoadBalancerContext context;
    context.request_headers = &headers;
    context.downstream = stream;
    ask(context);
    return transport_->made.back().options == nullptr
               ? std::string("-")
               : absl::StrCat(lastMade().server_name, " ",
                              lastMade().verify_names.empty() ? "" : lastMade().verify_names.front());
  };
  EXPECT_EQ("a.test a.test", askWith("a.test:8443", ""));
  EXPECT_EQ("b.test b.test", askWith("a.test", "b.test"));
  EXPECT_EQ(" 10.0.0.1", askWith("10.0.0.1:80", "")) << "an address is no server name";
  EXPECT_EQ(" ::1", askWith("[::1]:80", ""));
  net::StreamInfo stream;
  leave(stream, "envoy.network.upstream_server_name", "left.test");
  EXPECT_EQ("left.test a.test", askWith("a.test", "", &stream)) << "what filters have left wins";
}

TEST_F(HttpPoolOptionsTest, AlpnChoosesTheProtocol) {
  change([](HttpOptions& http) { http.protocol = HttpProtocolChoice::Auto; });
  transport_->protocol = "h2";
  addDefault();
  User first;
  User second;
  begin(first, LoadBalancerContext());
  begin(second, LoadBalancerContext());
  EXPECT_EQ(2, counter("upstream_cx_total")) << "a connection that may turn out to speak HTTP/1.1 is for one request";
  ASSERT_TRUE(until([&] { return first.readies == 1 && second.readies == 1; }));
  EXPECT_EQ(Protocol::Http2, first.stream.protocol);
  EXPECT_EQ((std::vector<std::string>{"h2", "http/1.1"}), lastMade().fallback_protocols);
  User third;
  begin(third, LoadBalancerContext());
  EXPECT_EQ(1, third.readies) << "HTTP/2 has room for more";
  EXPECT_EQ(2, counter("upstream_cx_http2_total"));
  EXPECT_EQ(0, counter("upstream_cx_http1_total"));
  net::UpstreamInfo info;
  first.upstream->describe(info);
  EXPECT_EQ(transport_->info, info.tls);
}

TEST_F(HttpPoolOptionsTest, WithoutAlpnsWordItIsHttp1) {
  change([](HttpOptions& http) { http.protocol = HttpProtocolChoice::Auto; });
  addDefault();
  User first;
  begin(first, LoadBalancerContext());
  ASSERT_TRUE(until([&] { return first.readies == 1; }));
  EXPECT_EQ(Protocol::Http11, first.stream.protocol);
  EXPECT_EQ(1, counter("upstream_cx_http1_total"));
}

TEST_F(HttpPoolOptionsTest, ConnectionsThatTellOfTheClientAreSharedByNoOther) {
  transport_->reads_options = false;
  transport_->reads_addresses = true;
  auto recipe = std::make_shared<ConnectionRecipe>(*recipe_);
  recipe->setTransport(transport_);
  recipe_ = recipe;
  addDefault();
  net::StreamInfo one;
  one.downstream_remote = *net::Address::ip("10.0.0.1", 1000);
  one.downstream_local = *net::Address::ip("10.0.0.9", 80);
  net::StreamInfo two = {};
  two.downstream_remote = *net::Address::ip("10.0.0.2", 1000);
  ask(one);
  ask(two);
  ask(one);
  ASSERT_EQ(2u, transport_->made.size());
  EXPECT_EQ(one.downstream_remote, transport_->made.front().options->downstream_remote);
  EXPECT_EQ(one.downstream_local, transport_->made.front().options->downstream_local);
}

TEST_F(HttpPoolOptionsTest, ConnectionsAreBoundAsListenerFiltersAsk) {
  addDefault();
  net::StreamInfo stream;
  stream.makeExtras().makeUpstreamWishes().source = *net::Address::ip("127.0.0.7", 0);
  User user;
  begin(user, stream);
  ASSERT_TRUE(until([&] { return user.readies == 1 || user.failure.has_value(); }));
  if (user.failure.has_value()) {
    GTEST_SKIP() << "not allowed to be transparent: " << user.details;
  }
  net::Socket peer;
  net::Address remote;
  ASSERT_TRUE(until([&] { return net::acceptConnection(backend_.socket.fd(), peer, remote) == 0; }));
  EXPECT_EQ("127.0.0.7", remote.ipString());
}

TEST_F(HttpPoolOptionsTest, AnEndpointWithAnotherRecipeMovesToOtherPools) {
  addDefault();
  ask(LoadBalancerContext());
  EXPECT_EQ(1, gauge("upstream_cx_active"));
  auto other = std::make_shared<ConnectionRecipe>(*recipe_);
  const auto plain = std::make_shared<test::FakeTransport>("other");
  other->setTransport(plain);
  std::vector<EndpointSet::Entry> entries(1);
  entries.front().endpoint = endpoint_;
  entries.front().recipe = other;
  add(makeInfo(), std::make_shared<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules()));
  turn();
  EXPECT_EQ(0, gauge("upstream_cx_active")) << "an idle connection of the old kind goes";
  ask(LoadBalancerContext());
  EXPECT_EQ(1u, plain->made.size());
  EXPECT_EQ(1u, transport_->made.size());
}

}  // namespace
}  // namespace sluice::cluster
