#include "source/http/filter_manager.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "source/http/route.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::http {
namespace {

using testing::ElementsAre;

/** What a filter is told, and what it answers. */
struct Script {
  std::string name;
  std::vector<std::string>* log = nullptr;
  HeadersStatus on_decode_headers = HeadersStatus::Continue;
  DataStatus on_decode_data = DataStatus::Continue;
  TrailersStatus on_decode_trailers = TrailersStatus::Continue;
  HeadersStatus on_encode_headers = HeadersStatus::Continue;
  DataStatus on_encode_data = DataStatus::Continue;
  TrailersStatus on_encode_trailers = TrailersStatus::Continue;
  /** Called inside the filter's calls. */
  std::function<void(DecoderFilterCallbacks&)> in_decode_headers;
  std::function<void(DecoderFilterCallbacks&, net::Buffer&, bool)> in_decode_data;
  std::function<void(DecoderFilterCallbacks&)> in_decode_trailers;
  std::function<void(EncoderFilterCallbacks&)> in_encode_headers;
  std::function<void(EncoderFilterCallbacks&, net::Buffer&, bool)> in_encode_data;
  std::function<void(EncoderFilterCallbacks&)> in_encode_trailers;
  DecoderFilterCallbacks* decoder = nullptr;
  EncoderFilterCallbacks* encoder = nullptr;
  bool terminal = false;
};

class ScriptedFilter final : public DecoderFilter, public EncoderFilter {
 public:
  explicit ScriptedFilter(Script& script) : script_(script) {}
  void say(absl::string_view what) { script_.log->push_back(absl::StrCat(script_.name, " ", what)); }

  void onDestroy() override { say("destroyed"); }
  void setDecoderCallbacks(DecoderFilterCallbacks& callbacks) override { script_.decoder = &callbacks; }
  void setEncoderCallbacks(EncoderFilterCallbacks& callbacks) override { script_.encoder = &callbacks; }
  HeadersStatus decodeHeaders(HeaderMap&, bool end) override {
    say(end ? "request headers end" : "request headers");
    if (script_.in_decode_headers) {
      script_.in_decode_headers(*script_.decoder);
    }
    return script_.on_decode_headers;
  }
  DataStatus decodeData(net::Buffer& data, bool end) override {
    say(absl::StrCat("request data '", data.toString(), end ? "' end" : "'"));
    if (script_.in_decode_data) {
      script_.in_decode_data(*script_.decoder, data, end);
    }
    if (script_.terminal) {
      data.clear();
    }
    return script_.on_decode_data;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    say("request trailers");
    if (script_.in_decode_trailers) {
      script_.in_decode_trailers(*script_.decoder);
    }
    return script_.on_decode_trailers;
  }
  HeadersStatus encodeHeaders(HeaderMap& headers, bool end) override {
    say(absl::StrCat("response headers ", headers.get(HeaderId::Status), end ? " end" : ""));
    if (script_.in_encode_headers) {
      script_.in_encode_headers(*script_.encoder);
    }
    return script_.on_encode_headers;
  }
  DataStatus encodeData(net::Buffer& data, bool end) override {
    say(absl::StrCat("response data '", data.toString(), end ? "' end" : "'"));
    if (script_.in_encode_data) {
      script_.in_encode_data(*script_.encoder, data, end);
    }
    return script_.on_encode_data;
  }
  TrailersStatus encodeTrailers(HeaderMap&) override {
    say("response trailers");
    if (script_.in_encode_trailers) {
      script_.in_encode_trailers(*script_.encoder);
    }
    return script_.on_encode_trailers;
  }

 private:
  Script& script_;
};

class ScriptedConfig final : public HttpFilterConfig {
 public:
  explicit ScriptedConfig(Script& script) : script_(script) {}
  void addTo(FilterChainBuilder& chain) const override {
    chain.addFilter(*chain.arena().make<ScriptedFilter>(script_));
  }

 private:
  Script& script_;
};

/** Filters a, b and router; what leaves the chain is logged as the client's. */
class FilterManagerTest : public testing::Test, public FilterManagerOwner {
 protected:
  FilterManagerTest() {
    for (Script* script : {&a_, &b_, &router_}) {
      script->log = &log_;
    }
    a_.name = "a";
    b_.name = "b";
    router_.name = "router";
    router_.terminal = true;
    router_.on_decode_headers = HeadersStatus::StopIteration;
    router_.on_decode_data = DataStatus::StopIterationNoBuffer;
    router_.on_decode_trailers = TrailersStatus::StopIteration;
  }
  ~FilterManagerTest() override { manager_->destroyFilters(); }

  void start(uint32_t limit = 1000) {
    manager_ = arena_.make<FilterManager>(*this, arena_, dispatcher_, info_, nullptr, limit);
    for (Script* script : {&a_, &b_, &router_}) {
      chain_.push_back({script->name, std::make_shared<ScriptedConfig>(*script), false});
    }
    manager_->addFilters(chain_);
  }
  HeaderMap& request(absl::string_view method = "GET") {
    HeaderMap& headers = *arena_.make<HeaderMap>(arena_);
    headers.add(HeaderId::Method, method);
    headers.add(HeaderId::Path, "/");
    return headers;
  }
  HeaderMap& response(absl::string_view status) {
    HeaderMap& headers = *arena_.make<HeaderMap>(arena_);
    headers.add(HeaderId::Status, status);
    return headers;
  }
  void send(absl::string_view text, bool end) {
    net::Buffer data;
    data.append(text);
    manager_->decodeData(data, end);
  }
  void answer(absl::string_view text, bool end) {
    net::Buffer data;
    data.append(text);
    router_.decoder->encodeData(data, end);
  }
  std::vector<std::string> said() { return std::exchange(log_, {}); }

  // FilterManagerOwner
  const Route* route() override { return route_; }
  void clearRouteCache() override {}
  void setRoute(const Route* route) override { route_ = route; }
  void makeFilterChain() override { manager_->addFilters(chain_); }
  void sendInterimHeaders(HeaderMap& headers) override {
    log_.push_back(absl::StrCat("client interim ", headers.get(HeaderId::Status)));
  }
  void sendHeaders(HeaderMap& headers, bool end) override {
    log_.push_back(absl::StrCat("client headers ", headers.get(HeaderId::Status), end ? " end" : ""));
    sent_ = &headers;
  }
  void sendData(net::Buffer& data, bool end) override {
    log_.push_back(absl::StrCat("client data '", data.toString(), end ? "' end" : "'"));
    data.clear();
  }
  void sendTrailers(HeaderMap&) override { log_.push_back("client trailers"); }
  void onResponseEnd() override { log_.push_back("complete"); }
  void resetFromFilter(ResetReason, absl::string_view details) override {
    log_.push_back(absl::StrCat("reset ", details));
  }
  void pauseRequest(bool pause) override { log_.push_back(pause ? "pause" : "go on"); }
  void onBodyTooLarge(bool request) override { log_.push_back(request ? "request too large" : "response too large"); }
  void resetIdleTimer() override {}
  void rewriteLocalReply(HeaderMap& headers, uint32_t& status, std::string& body, absl::string_view& type) override {
    if (rewrite_) {
      rewrite_(headers, status, body, type);
    }
  }
  void recreate(net::Buffer& body) override { log_.push_back(absl::StrCat("recreate '", body.toString(), "'")); }

  test::FakeDispatcher dispatcher_;
  base::Arena arena_;
  StreamInfo info_;
  Script a_;
  Script b_;
  Script router_;
  std::vector<NamedFilter> chain_;
  FilterManager* manager_ = nullptr;
  const Route* route_ = nullptr;
  HeaderMap* sent_ = nullptr;
  std::function<void(HeaderMap&, uint32_t&, std::string&, absl::string_view&)> rewrite_;
  std::vector<std::string> log_;
};

TEST_F(FilterManagerTest, PassesARequestDownAndItsResponseUp) {
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("one", false);
  send("two", true);
  EXPECT_THAT(said(),
              ElementsAre("a request headers", "b request headers", "router request headers", "a request data 'one'",
                          "b request data 'one'", "router request data 'one'", "a request data 'two' end",
                          "b request data 'two' end", "router request data 'two' end"));
  router_.decoder->encodeHeaders(response("200"), false, "via_upstream");
  answer("hello", false);
  router_.decoder->encodeTrailers(*arena_.make<HeaderMap>(arena_));
  EXPECT_THAT(said(), ElementsAre("router response headers 200", "b response headers 200", "a response headers 200",
                                  "client headers 200", "router response data 'hello'", "b response data 'hello'",
                                  "a response data 'hello'", "client data 'hello'", "router response trailers",
                                  "b response trailers", "a response trailers", "client trailers", "complete"));
  EXPECT_EQ(info_.details, "via_upstream");
  manager_->destroyFilters();
  EXPECT_THAT(said(), ElementsAre("a destroyed", "b destroyed", "router destroyed"));
}

TEST_F(FilterManagerTest, HoldsHeadersBackUntilTheFilterContinuesWithData) {
  a_.on_decode_headers = HeadersStatus::StopIteration;
  start();
  manager_->decodeHeaders(request("POST"), false);
  EXPECT_THAT(said(), ElementsAre("a request headers"));
  send("x", true);
  EXPECT_THAT(said(), ElementsAre("a request data 'x' end", "b request headers", "router request headers",
                                  "b request data 'x' end", "router request data 'x' end"));
}

TEST_F(FilterManagerTest, BuffersABodyAndGivesItOnWhole) {
  a_.on_decode_headers = HeadersStatus::StopIteration;
  a_.on_decode_data = DataStatus::StopIterationAndBuffer;
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("one", false);
  send("two", true);
  EXPECT_THAT(said(), ElementsAre("a request headers", "a request data 'one'", "a request data 'two' end"));
  EXPECT_EQ(a_.decoder->decodingBuffer()->toString(), "onetwo");
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "b request data 'onetwo' end",
                                  "router request data 'onetwo' end"));
}

TEST_F(FilterManagerTest, TellsTheEndThoughNoDataIsLeft) {
  a_.on_decode_headers = HeadersStatus::StopIteration;
  a_.on_decode_data = DataStatus::StopIterationNoBuffer;
  a_.in_decode_data = [](DecoderFilterCallbacks&, net::Buffer& data, bool) { data.clear(); };
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("gone", true);
  said();
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "b request data '' end",
                                  "router request data '' end"));
}

TEST_F(FilterManagerTest, StopsEverythingWithoutAskingTheFilterForTheBody) {
  a_.on_decode_headers = HeadersStatus::StopAllIterationAndBuffer;
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("one", false);
  manager_->decodeTrailers(*arena_.make<HeaderMap>(arena_));
  EXPECT_THAT(said(), ElementsAre("a request headers"));
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "a request data 'one'",
                                  "b request data 'one'", "router request data 'one'", "a request trailers",
                                  "b request trailers", "router request trailers"));
}

TEST_F(FilterManagerTest, RefusesABodyThatIsTooLargeToBuffer) {
  a_.on_decode_headers = HeadersStatus::StopIteration;
  a_.on_decode_data = DataStatus::StopIterationAndBuffer;
  start(4);
  manager_->decodeHeaders(request("POST"), false);
  send("four", false);
  said();
  send("5", false);
  EXPECT_THAT(said(), ElementsAre("a request data '5'", "request too large", "router response headers 413",
                                  "b response headers 413", "a response headers 413", "client headers 413",
                                  "router response data 'Payload Too Large' end",
                                  "b response data 'Payload Too Large' end", "a response data 'Payload Too Large' end",
                                  "client data 'Payload Too Large' end", "complete"));
  EXPECT_EQ(info_.details, "request_payload_too_large");
  // Nothing more is decoded.
  send("6", true);
  EXPECT_THAT(said(), ElementsAre());
}

TEST_F(FilterManagerTest, PausesReadingWhereTheFilterStreams) {
  a_.on_decode_headers = HeadersStatus::StopAllIterationAndWatermark;
  start(4);
  manager_->decodeHeaders(request("POST"), false);
  send("12345", false);
  EXPECT_THAT(said(), ElementsAre("a request headers", "pause"));
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "a request data '12345'",
                                  "b request data '12345'", "router request data '12345'", "go on"));
}

TEST_F(FilterManagerTest, RefusesAResponseThatIsTooLargeToBuffer) {
  a_.on_encode_headers = HeadersStatus::StopIteration;
  a_.on_encode_data = DataStatus::StopIterationAndBuffer;
  start(4);
  manager_->decodeHeaders(request(), true);
  router_.decoder->encodeHeaders(response("200"), false, "via_upstream");
  said();
  answer("12345", false);
  // What filters have begun to see was another answer: this one passes them by.
  EXPECT_THAT(said(), ElementsAre("router response data '12345'", "b response data '12345'", "a response data '12345'",
                                  "response too large", "client headers 500", "client data 'Internal Server Error' end",
                                  "complete"));
  EXPECT_EQ(info_.details, "response_payload_too_large");
}

TEST_F(FilterManagerTest, ResetsWhenTheHeadersOfATooLargeResponseHaveGone) {
  a_.on_encode_data = DataStatus::StopIterationAndBuffer;
  start(4);
  manager_->decodeHeaders(request(), true);
  router_.decoder->encodeHeaders(response("200"), false, "via_upstream");
  said();
  answer("12345", false);
  EXPECT_THAT(said(), ElementsAre("router response data '12345'", "b response data '12345'", "a response data '12345'",
                                  "response too large", "reset response_payload_too_large"));
}

TEST_F(FilterManagerTest, AnswersLocallyOnceTheFiltersCallHasReturned) {
  b_.in_decode_headers = [this](DecoderFilterCallbacks& callbacks) {
    LocalReply reply;
    reply.status = 403;
    reply.body = "no";
    reply.details = "denied";
    reply.modify_headers = [](HeaderMap& headers) { headers.add("x-why", "because"); };
    callbacks.sendLocalReply(reply);
    log_.push_back("b returns");
  };
  start();
  manager_->decodeHeaders(request("POST"), false);
  EXPECT_THAT(said(), ElementsAre("a request headers", "b request headers", "b returns", "router response headers 403",
                                  "b response headers 403", "a response headers 403", "client headers 403",
                                  "router response data 'no' end", "b response data 'no' end",
                                  "a response data 'no' end", "client data 'no' end", "complete"));
  EXPECT_EQ(sent_->get("x-why"), "because");
  EXPECT_EQ(sent_->get(HeaderId::ContentLength), "2");
  EXPECT_EQ(sent_->get(HeaderId::ContentType), "text/plain");
  EXPECT_EQ(info_.details, "denied");
}

TEST_F(FilterManagerTest, LetsALocalReplyStandThatAFilterHoldsBackWhenTheUpstreamAnswers) {
  b_.on_encode_headers = HeadersStatus::StopIteration;
  start();
  manager_->decodeHeaders(request(), true);
  LocalReply reply;
  reply.status = 504;
  manager_->sendLocalReply(reply);
  said();
  router_.decoder->encodeHeaders(response("200"), false, "via_upstream");
  answer("late", false);
  router_.decoder->encodeTrailers(*arena_.make<HeaderMap>(arena_));
  EXPECT_THAT(said(), ElementsAre());
  b_.encoder->continueEncoding();
  EXPECT_THAT(said(), ElementsAre("a response headers 504 end", "client headers 504 end", "complete"));
}

TEST_F(FilterManagerTest, AnswersGrpcWithTrailersOnly) {
  start();
  HeaderMap& headers = request("POST");
  headers.add(HeaderId::ContentType, "application/grpc+proto");
  manager_->decodeHeaders(headers, false);
  said();
  LocalReply reply;
  reply.status = 503;
  reply.body = "no 100%";
  manager_->sendLocalReply(reply);
  EXPECT_THAT(said(), ElementsAre("router response headers 200 end", "b response headers 200 end",
                                  "a response headers 200 end", "client headers 200 end", "complete"));
  EXPECT_EQ(sent_->get(HeaderId::GrpcStatus), "14");
  EXPECT_EQ(sent_->get(HeaderId::GrpcMessage), "no 100%25");
}

TEST_F(FilterManagerTest, SendsNoBodyToHead) {
  start();
  manager_->decodeHeaders(request("HEAD"), true);
  said();
  LocalReply reply;
  reply.status = 404;
  reply.body = "nothing";
  manager_->sendLocalReply(reply);
  EXPECT_EQ(said().back(), "complete");
  EXPECT_EQ(sent_->get(HeaderId::ContentLength), "7");
}

TEST_F(FilterManagerTest, RewritesLocalReplies) {
  rewrite_ = [](HeaderMap& headers, uint32_t& status, std::string& body, absl::string_view& type) {
    status = 418;
    headers.setNumber(HeaderId::Status, 418);
    body = "{}";
    type = "application/json";
  };
  start();
  manager_->decodeHeaders(request(), true);
  LocalReply reply;
  reply.status = 404;
  manager_->sendLocalReply(reply);
  EXPECT_EQ(sent_->get(HeaderId::Status), "418");
  EXPECT_EQ(sent_->get(HeaderId::ContentType), "application/json");
  EXPECT_EQ(sent_->get(HeaderId::ContentLength), "2");
}

TEST_F(FilterManagerTest, GivesABodyToARequestThatHadNone) {
  a_.in_decode_headers = [](DecoderFilterCallbacks& callbacks) {
    net::Buffer data;
    data.append("new");
    callbacks.addDecodedData(data, false);
  };
  start();
  manager_->decodeHeaders(request(), true);
  EXPECT_THAT(said(), ElementsAre("a request headers end", "b request headers", "router request headers",
                                  "b request data 'new' end", "router request data 'new' end"));
}

TEST_F(FilterManagerTest, AddsTrailersWithTheEndOfTheData) {
  a_.in_decode_data = [](DecoderFilterCallbacks& callbacks, net::Buffer&, bool end) {
    if (end) {
      callbacks.addDecodedTrailers().add("x-sum", "1");
    }
  };
  a_.in_encode_data = [](EncoderFilterCallbacks& callbacks, net::Buffer&, bool end) {
    if (end) {
      callbacks.addEncodedTrailers().add("x-sum", "2");
    }
  };
  start();
  manager_->decodeHeaders(request("POST"), false);
  said();
  send("x", true);
  EXPECT_THAT(said(), ElementsAre("a request data 'x' end", "b request data 'x'", "router request data 'x'",
                                  "b request trailers", "router request trailers"));
  router_.decoder->encodeHeaders(response("200"), false, "");
  said();
  answer("y", true);
  EXPECT_THAT(said(), ElementsAre("router response data 'y' end", "b response data 'y' end", "a response data 'y' end",
                                  "client data 'y'", "client trailers", "complete"));
}

TEST_F(FilterManagerTest, AsksNoFilterForTrailersThatItAddedWhenItWentOn) {
  a_.on_decode_headers = HeadersStatus::StopAllIterationAndBuffer;
  a_.in_decode_data = [](DecoderFilterCallbacks& callbacks, net::Buffer&, bool) {
    callbacks.addDecodedTrailers().add("x-sum", "1");
  };
  b_.on_encode_headers = HeadersStatus::StopAllIterationAndBuffer;
  b_.in_encode_data = [](EncoderFilterCallbacks& callbacks, net::Buffer&, bool) {
    callbacks.addEncodedTrailers().add("x-sum", "2");
  };
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("x", true);
  said();
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(),
              ElementsAre("b request headers", "router request headers", "a request data 'x' end", "b request data 'x'",
                          "router request data 'x'", "b request trailers", "router request trailers"));
  router_.decoder->encodeHeaders(response("200"), false, "");
  answer("y", true);
  said();
  b_.encoder->continueEncoding();
  EXPECT_THAT(said(), ElementsAre("a response headers 200", "client headers 200", "b response data 'y' end",
                                  "a response data 'y'", "client data 'y'", "a response trailers", "client trailers",
                                  "complete"));
}

TEST_F(FilterManagerTest, ShowsAFilterItsTrailersOnceThatStopsAnewWhileItGoesOn) {
  a_.on_decode_headers = HeadersStatus::StopAllIterationAndBuffer;
  a_.on_decode_data = DataStatus::StopIterationAndBuffer;
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("x", false);
  manager_->decodeTrailers(*arena_.make<HeaderMap>(arena_));
  said();
  a_.decoder->continueDecoding();
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "a request data 'x'",
                                  "a request trailers", "b request data 'x'", "router request data 'x'",
                                  "b request trailers", "router request trailers"));
}

TEST_F(FilterManagerTest, AddsDataBeforeTrailers) {
  a_.in_decode_trailers = [](DecoderFilterCallbacks& callbacks) {
    net::Buffer data;
    data.append("last");
    callbacks.addDecodedData(data, false);
  };
  start();
  manager_->decodeHeaders(request("POST"), false);
  said();
  manager_->decodeTrailers(*arena_.make<HeaderMap>(arena_));
  EXPECT_THAT(said(), ElementsAre("a request trailers", "b request data 'last'", "router request data 'last'",
                                  "b request trailers", "router request trailers"));
}

TEST_F(FilterManagerTest, InjectsDataPastAFilterThatStopped) {
  a_.on_decode_headers = HeadersStatus::StopIteration;
  a_.on_decode_data = DataStatus::StopIterationNoBuffer;
  start();
  manager_->decodeHeaders(request("POST"), false);
  send("taken", true);
  said();
  net::Buffer data;
  data.append("mine");
  a_.decoder->injectDecodedData(data, true);
  EXPECT_THAT(said(), ElementsAre("b request headers", "router request headers", "b request data 'mine' end",
                                  "router request data 'mine' end"));
}

TEST_F(FilterManagerTest, HoldsAResponseBack) {
  b_.on_encode_headers = HeadersStatus::StopIteration;
  b_.on_encode_data = DataStatus::StopIterationAndBuffer;
  start();
  manager_->decodeHeaders(request(), true);
  said();
  router_.decoder->encodeHeaders(response("200"), false, "");
  answer("one", false);
  answer("two", true);
  EXPECT_THAT(said(),
              ElementsAre("router response headers 200", "b response headers 200", "router response data 'one'",
                          "b response data 'one'", "router response data 'two' end", "b response data 'two' end"));
  b_.encoder->continueEncoding();
  EXPECT_THAT(said(), ElementsAre("a response headers 200", "client headers 200", "a response data 'onetwo' end",
                                  "client data 'onetwo' end", "complete"));
}

TEST_F(FilterManagerTest, TellsTheTerminalFilterOfTheClientsWatermarks) {
  struct Observer : DecoderFilterCallbacks::WatermarkObserver {
    void onDownstreamAboveHighWatermark() override { ++above; }
    void onDownstreamBelowLowWatermark() override { ++below; }
    int above = 0;
    int below = 0;
  } observer;
  start();
  manager_->onDownstreamAboveHighWatermark();
  router_.decoder->addWatermarkObserver(observer);
  EXPECT_EQ(observer.above, 1);
  manager_->onDownstreamAboveHighWatermark();
  manager_->onDownstreamBelowLowWatermark();
  EXPECT_EQ(observer.below, 0);
  manager_->onDownstreamBelowLowWatermark();
  EXPECT_EQ(observer.below, 1);
}

TEST_F(FilterManagerTest, RecreatesOnlyAWholeUnansweredRequest) {
  router_.on_decode_data = DataStatus::StopIterationAndBuffer;
  router_.terminal = false;
  start();
  manager_->decodeHeaders(request("POST"), false);
  EXPECT_FALSE(router_.decoder->recreateStream());
  send("body", true);
  said();
  EXPECT_TRUE(router_.decoder->recreateStream());
  EXPECT_THAT(said(), ElementsAre("recreate 'body'"));
  EXPECT_EQ(info_.details, "internal_redirect");
}

TEST_F(FilterManagerTest, LeavesOutFiltersThatTheRouteSwitchesOff) {
  VirtualHost host;
  Route route;
  route.virtual_host = &host;
  host.overrides["a"].disabled = true;
  route.overrides["b"].config = std::make_shared<PerRouteConfig>();
  route_ = &route;
  manager_ = arena_.make<FilterManager>(*this, arena_, dispatcher_, info_, nullptr, 1000);
  chain_.push_back({"a", std::make_shared<ScriptedConfig>(a_), false});
  // Off by itself; the route's settings switch it on.
  chain_.push_back({"b", std::make_shared<ScriptedConfig>(b_), true});
  chain_.push_back({"router", std::make_shared<ScriptedConfig>(router_), false});
  manager_->addFilters(chain_);
  manager_->decodeHeaders(request(), true);
  EXPECT_THAT(said(), ElementsAre("b request headers end", "router request headers end"));
  EXPECT_EQ(b_.decoder->perRouteConfig(), route.overrides["b"].config.get());
}

}  // namespace
}  // namespace sluice::http
