#include "source/http/connection_manager.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "source/http/http1_codec.h"
#include "source/http/http2_codec.h"
#include "source/http/route_table.h"
#include "source/net/drain.h"
#include "source/stats/cell_registry.h"
#include "source/stats/store.h"
#include "test/http/http2_harness.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::http {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/** What the chain's only filter, a terminal one, does with requests. */
struct Backend {
  /** With the headers of each; null leaves it unanswered. */
  std::function<void(DecoderFilterCallbacks&, HeaderMap&, bool)> on_headers;
  std::function<void(DecoderFilterCallbacks&, bool)> on_end;
  DecoderFilterCallbacks* last = nullptr;
  std::string body;
  int requests = 0;
  int destroyed = 0;
  /** Filters that outlived the configuration they refer to. */
  int orphaned = 0;
};

class BackendConfig;

void respond(DecoderFilterCallbacks& callbacks, absl::string_view status, absl::string_view text) {
  HeaderMap& headers = *callbacks.arena().make<HeaderMap>(callbacks.arena());
  headers.add(HeaderId::Status, status);
  headers.addNumber(HeaderId::ContentLength, text.size());
  callbacks.encodeHeaders(headers, text.empty(), "via_upstream");
  if (!text.empty()) {
    net::Buffer data;
    data.append(text);
    callbacks.encodeData(data, true);
  }
}

class BackendFilter final : public DecoderFilter {
 public:
  BackendFilter(Backend& backend, std::weak_ptr<const BackendConfig> config)
      : backend_(backend), config_(std::move(config)) {}
  ~BackendFilter() override { backend_.orphaned += config_.expired() ? 1 : 0; }
  void onDestroy() override { ++backend_.destroyed; }
  void setDecoderCallbacks(DecoderFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    backend_.last = &callbacks;
  }
  HeadersStatus decodeHeaders(HeaderMap& headers, bool end) override {
    ++backend_.requests;
    if (backend_.on_headers) {
      backend_.on_headers(*callbacks_, headers, end);
    }
    return HeadersStatus::StopIteration;
  }
  DataStatus decodeData(net::Buffer& data, bool end) override {
    backend_.body += data.toString();
    data.clear();
    if (end && backend_.on_end) {
      backend_.on_end(*callbacks_, end);
    }
    return DataStatus::StopIterationNoBuffer;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override { return TrailersStatus::StopIteration; }

 private:
  Backend& backend_;
  const std::weak_ptr<const BackendConfig> config_;
  DecoderFilterCallbacks* callbacks_ = nullptr;
};

class BackendConfig final : public HttpFilterConfig, public std::enable_shared_from_this<BackendConfig> {
 public:
  explicit BackendConfig(Backend& backend) : backend_(backend) {}
  void addTo(FilterChainBuilder& chain) const override {
    chain.addDecoderFilter(*chain.arena().make<BackendFilter>(backend_, weak_from_this()));
  }
  bool isTerminal() const override { return true; }

 private:
  Backend& backend_;
};

class NoRoutes final : public RouteProvider {
 public:
  RouteTablePin table() const override { return {}; }
};

class Codecs final : public ServerCodecFactory {
 public:
  std::unique_ptr<ServerCodec> create(net::Connection& connection, ServerCodecCallbacks& callbacks,
                                      Protocol protocol) const override {
    if (protocol == Protocol::Http2) {
      return std::make_unique<Http2ServerCodec>(connection, callbacks, http2, http2_stats);
    }
    return std::make_unique<Http1ServerCodec>(connection, callbacks, http1, http1_stats);
  }
  Http1Settings http1;
  Http2Settings http2;
  Http1Stats http1_stats;
  Http2Stats http2_stats;
};

class Logger final : public access_log::AccessLogger {
 public:
  explicit Logger(std::vector<std::string>& lines) : lines_(lines) {}
  void log(const access_log::LogContext& context) const override {
    lines_.push_back(absl::StrCat(context.http->response_code, " ", context.http->details, " ",
                                  context.info.response_flags, " ", context.info.bytes_received, "/",
                                  context.info.bytes_sent));
  }

 private:
  std::vector<std::string>& lines_;
};

class ConnectionManagerTest : public testing::Test, public net::ConnectionCallbacks {
 protected:
  ConnectionManagerTest() {
    settings_.stat_prefix = "test";
    backend_.on_headers = [](DecoderFilterCallbacks& callbacks, HeaderMap&, bool end) {
      if (end) {
        respond(callbacks, "200", "hello");
      }
    };
    backend_.on_end = [](DecoderFilterCallbacks& callbacks, bool) { respond(callbacks, "200", "hello"); };
  }
  ~ConnectionManagerTest() override {
    if (connection_ != nullptr) {
      if (!closed_) {
        connection_->close(net::CloseType::NoFlush);
      }
      live_->shared();
      connection_.reset();
    }
    dispatcher_.clearDeferredDeletes();
  }
  std::shared_ptr<const ConnectionManagerConfig> config() {
    ConnectionManagerSettings settings = settings_;
    settings.filters.push_back({"backend", std::make_shared<BackendConfig>(backend_), false});
    settings.access_logs.push_back(std::make_shared<Logger>(logged_));
    auto codecs = std::make_unique<Codecs>();
    codecs->http1.accept_http_10 = settings_.accept_http_10;
    return std::make_shared<const ConnectionManagerConfig>(
        std::move(settings), config::contentKey("x"), store_.root()->createScope("http.test"),
        store_.root()->createScope("listener.l.http.test"), std::move(codecs), std::make_shared<NoRoutes>());
  }
  void connect() {
    auto [ours, theirs] = test::unixPair();
    fd_ = ours.fd();
    peer_ = std::move(theirs);
    net::StreamInfo info;
    info.start_monotonic = dispatcher_.now();
    connection_ = net::Connection::server(dispatcher_, std::move(ours),
                                          std::make_unique<test::LoopbackTransport>(wire_), std::move(info));
    connection_->addCallbacks(*this);
    live_ = std::make_unique<net::LiveFilterConfig>(config());
    live_->shared()->addTo(*connection_, *live_);
    dispatcher_.callback([this] { connection_->initializeReadFilters(); });
    dispatcher_.runUntilIdle();
  }
  /** Gives the connection these bytes, and returns what it wrote. */
  std::string exchange(absl::string_view bytes) {
    absl::StrAppend(&wire_->incoming, bytes);
    dispatcher_.fire(fd_, event::ready::kRead);
    return written();
  }
  std::string written() {
    dispatcher_.runUntilIdle();
    return std::exchange(wire_->outgoing, "");
  }
  /** A statistic is its scope's: "http.test" and the rest of the name. */
  static std::pair<absl::string_view, absl::string_view> split(absl::string_view name) {
    const size_t dot = name.rfind('.');
    return {name.substr(0, dot), name.substr(dot + 1)};
  }
  uint64_t counter(absl::string_view name) {
    const auto [scope, last] = split(name);
    const stats::ScopePtr found = store_.root()->createScope(scope);
    return stats::CellRegistry::get().read(found->counter(last).cell()).value;
  }
  uint64_t gauge(absl::string_view name) {
    const auto [scope, last] = split(name);
    const stats::ScopePtr found = store_.root()->createScope(scope);
    return stats::CellRegistry::get().read(found->gauge(last).cell()).value;
  }
  void onEvent(net::ConnectionEvent event) override { closed_ = closed_ || event != net::ConnectionEvent::Connected; }

  stats::Store store_;
  test::FakeDispatcher dispatcher_;
  std::shared_ptr<test::Loopback> wire_ = std::make_shared<test::Loopback>();
  ConnectionManagerSettings settings_;
  Backend backend_;
  std::vector<std::string> logged_;
  std::unique_ptr<net::LiveFilterConfig> live_;
  std::unique_ptr<net::Connection> connection_;
  net::Socket peer_;
  int fd_ = -1;
  bool closed_ = false;
};

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";

TEST_F(ConnectionManagerTest, AnswersOneRequestAfterTheOther) {
  connect();
  const std::string first = exchange(kGet);
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("server: envoy\r\n"));
  EXPECT_THAT(first, HasSubstr("date: "));
  EXPECT_THAT(first, EndsWith("\r\n\r\nhello"));
  EXPECT_THAT(first, Not(HasSubstr("connection:")));
  exchange(kGet);
  EXPECT_EQ(backend_.requests, 2);
  EXPECT_EQ(backend_.destroyed, 2);
  EXPECT_FALSE(closed_);
  EXPECT_EQ(counter("http.test.downstream_rq_total"), 2u);
  EXPECT_EQ(counter("http.test.downstream_rq_2xx"), 2u);
  EXPECT_EQ(counter("listener.l.http.test.downstream_rq_completed"), 2u);
  EXPECT_EQ(gauge("http.test.downstream_rq_active"), 0u);
  EXPECT_EQ(gauge("http.test.downstream_cx_http1_active"), 1u);
  EXPECT_THAT(logged_, ElementsAre("200 via_upstream 0 0/5", "200 via_upstream 0 0/5"));
}

TEST_F(ConnectionManagerTest, AnswersPipelinedRequestsInOrder) {
  connect();
  const std::string out = exchange(absl::StrCat(kGet, kGet, kGet));
  EXPECT_EQ(backend_.requests, 3);
  EXPECT_EQ(out.find("hello", out.rfind("HTTP/1.1 200")), out.size() - 5);
}

TEST_F(ConnectionManagerTest, PassesABodyOn) {
  connect();
  exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
  EXPECT_THAT(exchange("def"), HasSubstr("hello"));
  EXPECT_EQ(backend_.body, "abcdef");
  EXPECT_THAT(logged_, ElementsAre("200 via_upstream 0 6/5"));
}

TEST_F(ConnectionManagerTest, ClosesWhenTheClientAsksForIt) {
  connect();
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"), HasSubstr("connection: close\r\n"));
  EXPECT_TRUE(wire_->outgoing_end);
}

TEST_F(ConnectionManagerTest, RefusesWhatIsNotHttp) {
  connect();
  EXPECT_THAT(exchange("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(counter("http.test.downstream_cx_protocol_error"), 1u);
  EXPECT_EQ(backend_.requests, 0);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_THAT(logged_[0], StartsWith("400 "));
}

TEST_F(ConnectionManagerTest, ChoosesHttp2ByItsPreface) {
  connect();
  EXPECT_EQ(exchange("PRI * HT"), "");
  const std::string out = exchange(absl::string_view("TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 25));
  EXPECT_FALSE(out.empty());
  EXPECT_EQ(counter("http.test.downstream_cx_http2_total"), 1u);
  EXPECT_EQ(counter("http.test.downstream_cx_http1_total"), 0u);
}

TEST_F(ConnectionManagerTest, TimesOutARequestThatDoesNotCome) {
  settings_.request_timeout = milliseconds(100);
  connect();
  exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
  dispatcher_.advance(milliseconds(101));
  const std::string out = written();
  EXPECT_THAT(out, StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(out, HasSubstr("connection: close"));
  EXPECT_THAT(out, EndsWith("request timeout"));
  EXPECT_EQ(counter("http.test.downstream_rq_timeout"), 1u);
}

TEST_F(ConnectionManagerTest, TimesOutHeadersThatDoNotCome) {
  settings_.request_headers_timeout = milliseconds(100);
  connect();
  exchange("GET / HT");
  dispatcher_.advance(milliseconds(101));
  EXPECT_THAT(written(), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(counter("http.test.downstream_rq_header_timeout"), 1u);
}

TEST_F(ConnectionManagerTest, TimesOutAStreamThatIsIdle) {
  settings_.stream_idle_timeout = milliseconds(100);
  backend_.on_headers = nullptr;
  connect();
  exchange(kGet);
  dispatcher_.advance(milliseconds(101));
  EXPECT_THAT(written(), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(logged_,
              ElementsAre(absl::StrCat("504 stream_idle_timeout ", net::response_flag::kStreamIdleTimeout, " 0/14")));
}

TEST_F(ConnectionManagerTest, EndsAStreamOfTooGreatAnAge) {
  settings_.max_stream_duration = milliseconds(100);
  backend_.on_headers = nullptr;
  connect();
  exchange(kGet);
  dispatcher_.advance(milliseconds(101));
  EXPECT_THAT(written(), HasSubstr("downstream duration timeout"));
  EXPECT_EQ(counter("http.test.downstream_rq_max_duration_reached"), 1u);
}

TEST_F(ConnectionManagerTest, ClosesAnIdleConnection) {
  settings_.idle_timeout = milliseconds(1000);
  connect();
  dispatcher_.advance(milliseconds(1001));
  EXPECT_TRUE(closed_);
  EXPECT_EQ(counter("http.test.downstream_cx_idle_timeout"), 1u);
}

TEST_F(ConnectionManagerTest, AConnectionIsNotIdleWhileARequestIsUnderWay) {
  settings_.idle_timeout = milliseconds(1000);
  settings_.drain_timeout = milliseconds(10);
  backend_.on_headers = nullptr;
  connect();
  exchange(kGet);
  dispatcher_.advance(milliseconds(5000));
  EXPECT_FALSE(closed_);
  dispatcher_.callback([this] { respond(*backend_.last, "200", "late"); });
  EXPECT_THAT(written(), EndsWith("late"));
  dispatcher_.advance(milliseconds(1020));
  EXPECT_TRUE(wire_->outgoing_end);
}

TEST_F(ConnectionManagerTest, SaysCloseOnceItHasHadEnoughRequests) {
  settings_.max_requests_per_connection = 2;
  connect();
  EXPECT_THAT(exchange(kGet), Not(HasSubstr("connection: close")));
  EXPECT_THAT(exchange(kGet), HasSubstr("connection: close"));
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(counter("http.test.downstream_cx_max_requests_reached"), 1u);
}

TEST_F(ConnectionManagerTest, SaysCloseWhileItsChainDrains) {
  connect();
  exchange(kGet);
  net::DrainRules::get().gradual = false;
  live_->setDraining(dispatcher_.now());
  EXPECT_THAT(exchange(kGet), HasSubstr("connection: close"));
  net::DrainRules::get().gradual = true;
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(counter("http.test.downstream_cx_drain_close"), 1u);
}

TEST_F(ConnectionManagerTest, NewStreamsGoByTheNewestConfiguration) {
  connect();
  exchange(kGet);
  settings_.server_name = "renamed";
  live_->replace(config());
  EXPECT_THAT(exchange(kGet), HasSubstr("server: renamed"));
}

TEST_F(ConnectionManagerTest, AStreamGoesWhenItsClientDoes) {
  backend_.on_headers = nullptr;
  connect();
  exchange(kGet);
  wire_->incoming_end = true;
  dispatcher_.fire(fd_, event::ready::kRead | event::ready::kClosed);
  dispatcher_.runUntilIdle();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(backend_.destroyed, 1);
  EXPECT_EQ(counter("http.test.downstream_cx_destroy_remote_active_rq"), 1u);
  EXPECT_EQ(gauge("http.test.downstream_rq_active"), 0u);
  EXPECT_THAT(logged_, ElementsAre(absl::StrCat("0 downstream_remote_disconnect ",
                                                net::response_flag::kDownstreamConnectionTermination, " 0/0")));
}

TEST_F(ConnectionManagerTest, AnswersEarlyAndClosesWhenTheRequestIsNotWhole) {
  backend_.on_headers = [](DecoderFilterCallbacks& callbacks, HeaderMap&, bool) { respond(callbacks, "403", "no"); };
  connect();
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc"), HasSubstr("connection: close"));
  EXPECT_EQ(counter("http.test.downstream_rq_response_before_rq_complete"), 1u);
  EXPECT_TRUE(wire_->outgoing_end);
}

TEST_F(ConnectionManagerTest, SaysContinueByItself) {
  connect();
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"),
              StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_THAT(exchange("abc"), HasSubstr("200 OK"));
}

TEST_F(ConnectionManagerTest, RefusesUpgradesThatAreNotConfigured) {
  connect();
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(counter("http.test.downstream_rq_ws_on_non_ws_route"), 1u);
}

TEST_F(ConnectionManagerTest, BeginsARedirectedRequestAnew) {
  backend_.on_headers = [](DecoderFilterCallbacks& callbacks, HeaderMap& headers, bool) {
    if (headers.get(HeaderId::Path) == "/") {
      headers.set(HeaderId::Path, "/again");
      EXPECT_TRUE(callbacks.recreateStream());
    } else {
      respond(callbacks, "200", headers.get(HeaderId::Path));
    }
  };
  connect();
  EXPECT_THAT(exchange(kGet), EndsWith("/again"));
  EXPECT_EQ(backend_.requests, 2);
  EXPECT_EQ(backend_.destroyed, 2);
  EXPECT_THAT(logged_, ElementsAre("0 internal_redirect 0 0/0", "200 via_upstream 0 0/6"));
  EXPECT_EQ(counter("http.test.downstream_rq_total"), 2u);
}

TEST_F(ConnectionManagerTest, AConfigurationStaysUntilItsStreamsAreDeleted) {
  backend_.on_headers = [this](DecoderFilterCallbacks& callbacks, HeaderMap&, bool) {
    respond(callbacks, "200", "hello");
    live_->replace(config());
  };
  connect();
  // All in one turn: those that have been answered are deleted at its end.
  exchange(absl::StrCat(kGet, kGet, kGet, kGet));
  EXPECT_EQ(backend_.requests, 4);
  EXPECT_EQ(backend_.destroyed, 4);
  EXPECT_EQ(backend_.orphaned, 0);
}

TEST_F(ConnectionManagerTest, ARedirectedRequestThatIsCutOffEndsInTheLogsOnce) {
  backend_.on_headers = [this](DecoderFilterCallbacks& callbacks, HeaderMap&, bool) {
    EXPECT_TRUE(callbacks.recreateStream());
    connection_->close(net::CloseType::NoFlush);
  };
  connect();
  exchange(kGet);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(backend_.requests, 1);
  EXPECT_THAT(logged_, ElementsAre(StartsWith("0 internal_redirect ")));
  EXPECT_EQ(gauge("http.test.downstream_rq_active"), 0u);
}

TEST_F(ConnectionManagerTest, AFilterMayResetAStreamForAnyReason) {
  backend_.on_headers = [](DecoderFilterCallbacks& callbacks, HeaderMap&, bool) {
    callbacks.resetStream(ResetReason::ProtocolError, "gave_up");
  };
  connect();
  exchange(kGet);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(counter("http.test.downstream_rq_tx_reset"), 1u);
  EXPECT_EQ(counter("http.test.downstream_rq_rx_reset"), 1u);
  EXPECT_THAT(logged_, ElementsAre("0 gave_up 0 0/0"));
}

TEST_F(ConnectionManagerTest, TheLongestGrpcTimeoutIsAsGoodAsNone) {
  ForwardAction forward;
  forward.grpc_timeout_header_max = milliseconds(0);
  Route route;
  route.forward = std::make_shared<const ForwardAction>(forward);
  backend_.on_headers = [&route](DecoderFilterCallbacks& callbacks, HeaderMap&, bool) { callbacks.setRoute(&route); };
  connect();
  exchange("GET / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ngrpc-timeout: 99999999H\r\n\r\n");
  dispatcher_.advance(std::chrono::hours(24));
  EXPECT_EQ(written(), "");
  EXPECT_EQ(counter("http.test.downstream_rq_max_duration_reached"), 0u);
  dispatcher_.callback([this] { respond(*backend_.last, "200", "late"); });
  EXPECT_THAT(written(), EndsWith("late"));
}

TEST_F(ConnectionManagerTest, OnlyTheTokenCloseAsksForAClose) {
  connect();
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: x-close-not, disclosed\r\n\r\n"),
              Not(HasSubstr("connection: close")));
  EXPECT_FALSE(wire_->outgoing_end);
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: x-hop\r\nconnection: keep-alive , Close\r\n\r\n"),
              HasSubstr("connection: close\r\n"));
  EXPECT_TRUE(wire_->outgoing_end);
}

/** Of a connection that is to close, with an answer that its client has not opened a window for. */
class ClosingHttp2Test : public ConnectionManagerTest {
 protected:
  using H2 = Http2Harness;
  void answerWithoutWindow() {
    settings_.max_requests_per_connection = 1;
    backend_.on_headers = nullptr;
    connect();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    exchange(absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H2::frame(4, 0, 0, std::string("\0\4\0\0\0\0", 6)),
                          H2::frame(1, 5, 1, H2::block(H2::get()))));
    ASSERT_EQ(backend_.requests, 1);
    dispatcher_.advance(settings_.drain_timeout + milliseconds(1));
    dispatcher_.callback([this] { respond(*backend_.last, "200", "hello"); });
    EXPECT_THAT(written(), Not(HasSubstr("hello")));
    ASSERT_EQ(backend_.destroyed, 1);
    ASSERT_FALSE(closed_ || wire_->outgoing_end);
  }
  void openWindow(char bytes) { exchange(H2::frame(8, 0, 1, std::string({'\0', '\0', '\0', bytes}))); }
};

TEST_F(ClosingHttp2Test, ClosesThoughItsClientTakesNothingMore) {
  answerWithoutWindow();
  dispatcher_.advance(2 * settings_.drain_timeout + settings_.delayed_close_timeout + milliseconds(10));
  EXPECT_TRUE(closed_);
}

TEST_F(ClosingHttp2Test, WaitsForAClientThatTakesItsAnswerSlowly) {
  answerWithoutWindow();
  for (int taken = 0; taken < 4; ++taken) {
    dispatcher_.advance(settings_.drain_timeout - milliseconds(100));
    openWindow(1);
    ASSERT_FALSE(closed_ || wire_->outgoing_end);
  }
  openWindow(1);
  EXPECT_TRUE(closed_ || wire_->outgoing_end);
}

TEST_F(ConnectionManagerTest, AnIdleConnectionIsSmall) { EXPECT_LE(sizeof(ConnectionManager), 256u); }

}  // namespace
}  // namespace sluice::http
