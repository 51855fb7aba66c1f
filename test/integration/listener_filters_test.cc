// What listener filters find out decides where a connection goes, and leaves its bytes alone.

#include <string>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"
#include "test/support/client_hello.h"

namespace sluice::integration {
namespace {

std::string listenerFilter(const std::string& type, const std::string& extra = "", const std::string& around = "") {
  return "{name: f, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.listener." + type +
         (extra.empty() ? "" : ", " + extra) + "}" + (around.empty() ? "" : ", " + around) + "}";
}
std::string listenerFilters(const Yamls& filters) {
  std::string list;
  for (const std::string& filter : filters) {
    list += (list.empty() ? "" : ", ") + filter;
  }
  return "listener_filters: [" + list + "]";
}
const std::string kTlsInspector = listenerFilter("tls_inspector.v3.TlsInspector");
const std::string kHttpInspector = listenerFilter("http_inspector.v3.HttpInspector");
const std::string kProxyProtocol = listenerFilter("proxy_protocol.v3.ProxyProtocol");

std::string says(const std::string& text, const std::string& match) {
  return chain(text, {directResponse(text)}, "filter_chain_match: {" + match + "}");
}

/** Sends back what it gets, byte for byte. */
class Mirror : public TcpServer {
 public:
  Mirror()
      : TcpServer([](Socket& socket) {
          for (std::string byte = receive(socket, 1); !byte.empty(); byte = receive(socket, 1)) {
            sendAll(socket, byte);
          }
        }) {}
};

class ListenerFiltersTest : public ::testing::Test {
 protected:
  void start(const Yamls& listeners, const Yamls& clusters = {}) {
    proxy_ = std::make_unique<Proxy>(staticResources(clusters, listeners));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string answer(const std::string& first, size_t step = 100000) {
    Socket socket = connectTo(port_);
    send(socket, first, step);
    return socket.readAll();
  }
  static void send(Socket& socket, const std::string& bytes, size_t step) {
    for (size_t at = 0; at < bytes.size(); at += step) {
      sendAll(socket, bytes.substr(at, step));
    }
  }

  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(ListenerFiltersTest, ChooseByServerNameAndProtocol) {
  start({listener("front",
                  {says("exact", "server_names: [a.example.com]"), says("wild", "server_names: ['*.example.com']"),
                   says("mesh", "transport_protocol: tls, application_protocols: [istio]"),
                   says("tls", "transport_protocol: tls"), says("plain", "transport_protocol: raw_buffer")},
                  listenerFilters({kTlsInspector}))});
  for (size_t step : {1, 50, 100000}) {
    EXPECT_EQ(answer(test::clientHello("A.example.com"), step), "exact");
    EXPECT_EQ(answer(test::clientHello("b.c.example.com"), step), "wild");
  }
  EXPECT_EQ(answer(test::clientHello("other.test", {"istio", "h2"})), "mesh");
  EXPECT_EQ(answer(test::clientHello("other.test", {"h2"})), "tls");
  EXPECT_EQ(answer(test::clientHello("")), "tls");
  EXPECT_EQ(answer("hello"), "plain");
  EXPECT_EQ(proxy_->stat("tls_inspector.tls_found"), 9u);
  EXPECT_EQ(proxy_->stat("tls_inspector.sni_found"), 8u);
  EXPECT_EQ(proxy_->stat("tls_inspector.tls_not_found"), 1u);
}

TEST_F(ListenerFiltersTest, ChooseByTheVersionOfHttp) {
  start({listener("front",
                  {says("one", "application_protocols: [http/1.1, http/1.0]"),
                   says("two", "application_protocols: [h2c]"), says("other", "")},
                  listenerFilters({kTlsInspector, kHttpInspector}))});
  EXPECT_EQ(answer("GET / HTTP/1.1\r\n\r\n", 1), "one");
  EXPECT_EQ(answer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 5), "two");
  EXPECT_EQ(answer("SSH-2.0-x\r\n"), "other");
}

TEST_F(ListenerFiltersTest, LeaveTheBytesToTheProxy) {
  Mirror backend;
  start({listener("front", {chain("c", {tcpProxy("be")}, "filter_chain_match: {server_names: [a.test]}")},
                  listenerFilters({kTlsInspector}))},
        {cluster("be", backend.port())});
  const std::string hello = test::clientHello("a.test", {"h2"});
  for (size_t step : {3, 100000}) {
    Socket socket = connectTo(port_);
    send(socket, hello + "and more", step);
    EXPECT_EQ(receive(socket, hello.size() + 8), hello + "and more");
  }
}

TEST_F(ListenerFiltersTest, TakeAProxyProtocolHeaderOffAndNoMore) {
  Mirror backend;
  start({listener("front", {chain("c", {tcpProxy("be")})}, listenerFilters({kProxyProtocol}))},
        {cluster("be", backend.port())});
  const std::string v1 = "PROXY TCP4 10.1.2.3 10.4.5.6 1111 2222\r\n";
  const std::string v2 = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16) +
                         std::string("\x0a\x07\x08\x09\x0a\x01\x01\x01\x0d\x05\0\x50", 12);
  for (const std::string& header : {v1, v2}) {
    for (size_t step : {1, 7, 100000}) {
      Socket socket = connectTo(port_);
      send(socket, header + "ping and pong", step);
      EXPECT_EQ(receive(socket, 13), "ping and pong");
    }
  }
  Socket none = connectTo(port_);
  sendAll(none, "no header\r\n");
  EXPECT_EQ(none.readAll(), "");
  EXPECT_EQ(proxy_->stat("proxy_proto.versions.v1.found"), 3u);
  EXPECT_EQ(proxy_->stat("proxy_proto.versions.v2.found"), 3u);
  EXPECT_EQ(proxy_->stat("proxy_proto.not_found_disallowed"), 1u);
}

TEST_F(ListenerFiltersTest, HaveATimeout) {
  start({listener("front", {chain("c", {directResponse("c")})},
                  listenerFilters({kTlsInspector}) + ", listener_filters_timeout: 0.05s")});
  EXPECT_EQ(answer("\x16\x03"), "");
  EXPECT_EQ(proxy_->stat("listener.127.0.0.1_0.downstream_pre_cx_timeout"), 1u);
}

TEST_F(ListenerFiltersTest, GoOnAfterTheTimeoutWhereTheyAreToldTo) {
  start({listener("front", {says("tls", "transport_protocol: tls"), says("plain", "")},
                  listenerFilters({kTlsInspector}) +
                      ", listener_filters_timeout: 0.05s, continue_on_listener_filters_timeout: true")});
  // A server that speaks first gets its turn.
  EXPECT_EQ(answer(""), "plain");
  EXPECT_EQ(proxy_->stat("listener.127.0.0.1_0.downstream_pre_cx_timeout"), 1u);
}

TEST_F(ListenerFiltersTest, ArePassedOverByPredicates) {
  const std::string never = "filter_disabled: {not_match: {destination_port_range: {start: 1, end: 2}}}";
  start({listener("front", {says("tls", "transport_protocol: tls"), says("plain", "")},
                  listenerFilters({listenerFilter("tls_inspector.v3.TlsInspector", "", never)}))});
  EXPECT_EQ(answer(test::clientHello("a.test")), "plain");
}

TEST_F(ListenerFiltersTest, LimitTheRate) {
  start({listener(
      "front", {chain("c", {directResponse("c")})},
      listenerFilters({listenerFilter("local_ratelimit.v3.LocalRateLimit",
                                      "stat_prefix: x, token_bucket: {max_tokens: 2, fill_interval: 100s}")}))});
  EXPECT_EQ(answer(""), "c");
  EXPECT_EQ(answer(""), "c");
  EXPECT_EQ(answer(""), "");
  EXPECT_EQ(proxy_->stat("listener_local_ratelimit.x.rate_limited"), 1u);
}

TEST_F(ListenerFiltersTest, ARestoredDestinationFindsItsListener) {
  const auto unbound = [](const std::string& address, int port, const std::string& name) {
    return listenerAt(socketAddress(port, address), name, {chain(name, {directResponse(name)})}, "bind_to_port: false");
  };
  start({listener("front", {chain("own", {directResponse("own")})},
                  listenerFilters({kProxyProtocol}) + ", use_original_dst: true"),
         unbound("10.4.5.6", 2222, "exact"), unbound("0.0.0.0", 2222, "wildcard"), unbound("::", 3333, "six")});
  const auto to = [this](const std::string& destination, const std::string& protocol = "TCP4",
                         const std::string& source = "10.0.0.1") {
    return answer("PROXY " + protocol + " " + source + " " + destination + "\r\nx");
  };
  EXPECT_EQ(to("10.4.5.6 1111 2222"), "exact");
  EXPECT_EQ(to("10.4.5.7 1111 2222"), "wildcard");
  EXPECT_EQ(to("10.4.5.6 1111 2223"), "own");
  EXPECT_EQ(to("1::2 1111 3333", "TCP6", "1::1"), "six");
  EXPECT_EQ(to("10.4.5.6 1111 3333"), "own");
  EXPECT_EQ(proxy_->stat("listener.10.4.5.6_2222.downstream_cx_total"), 1u);
  EXPECT_EQ(proxy_->stat("listener.127.0.0.1_0.downstream_cx_total"), 2u);
}

TEST_F(ListenerFiltersTest, AMatcherTreeChoosesByName) {
  const std::string inputs = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.";
  const auto go = [](const std::string& name) {
    return "{action: {name: " + name +
           ", typed_config: {'@type': type.googleapis.com/google.protobuf.StringValue, value: " + name + "}}}";
  };
  const std::string tree =
      "filter_chain_matcher: {matcher_tree: {input: {name: sni, typed_config: {'@type': " + inputs +
      "ServerNameInput}}, exact_match_map: {map: {a.test: " + go("a") + ", gone.test: " + go("gone") +
      "}}}, on_no_match: {matcher: {matcher_tree: {input: {name: ip, typed_config: {'@type': " + inputs +
      "SourceIPInput}}, custom_match: {name: ip, typed_config: {'@type': "
      "type.googleapis.com/xds.type.matcher.v3.IPMatcher, range_matchers: [{ranges: [{address_prefix: 127.0.0.9, "
      "prefix_len: 32}], on_match: " +
      go("nine") + "}]}}}}}}";
  start({listener("front", {chain("a", {directResponse("a")}), chain("nine", {directResponse("nine")})},
                  listenerFilters({kTlsInspector}) + ", " + tree +
                      ", default_filter_chain: " + chain("default", {directResponse("default")}))});
  EXPECT_EQ(answer(test::clientHello("a.test")), "a");
  EXPECT_EQ(answer("plain"), "default");
  EXPECT_EQ(answer(test::clientHello("gone.test")), "") << "as in Envoy, not even the default chain takes it";
  Socket nine = connectTo(port_, "127.0.0.9");
  sendAll(nine, "plain");
  EXPECT_EQ(nine.readAll(), "nine");
}

}  // namespace
}  // namespace sluice::integration
