#pragma once

// Pools over real sockets, and a codec that the test speaks for.

#include <algorithm>
#include <functional>
#include <list>

#include <gtest/gtest.h>

#include "source/cluster/http_pool.h"
#include "source/cluster/http_upstream.h"
#include "test/cluster/local_clusters_fixture.h"

namespace sluice::cluster {

using http::Protocol;
using http::ResetReason;
using std::chrono::milliseconds;

/** A codec whose streams end when the test says so. */
class FakeCodec : public http::ClientCodec {
 public:
  struct Stream : http::StreamSender {
    Stream(FakeCodec& codec, http::StreamReceiver& receiver) : codec(codec), receiver(receiver) {}
    void sendHeaders(const http::HeaderMap&, bool) override {}
    void sendInterimHeaders(const http::HeaderMap&) override {}
    void sendData(net::Buffer&, bool) override {}
    void sendTrailers(const http::HeaderMap&) override {}
    void reset(ResetReason) override {
      FakeCodec& owner = codec;
      owner.forget(*this);
      if (owner.protocol_ == Protocol::Http11) {
        owner.connection_.close(net::CloseType::NoFlush);
      }
    }
    void readDisable(bool) override {}
    uint64_t bufferedBytes() const override { return 0; }
    uint64_t wireBytesSent() const override { return 11; }
    uint64_t wireBytesReceived() const override { return 22; }
    uint64_t headerWireBytesSent() const override { return 0; }
    uint64_t headerWireBytesReceived() const override { return 0; }
    uint32_t streamId() const override { return 0; }

    FakeCodec& codec;
    http::StreamReceiver& receiver;
  };

  FakeCodec(Protocol protocol, net::Connection& connection, http::CodecCallbacks& callbacks,
            std::vector<FakeCodec*>& all)
      : callbacks_(callbacks), protocol_(protocol), connection_(connection), all_(all) {
    all_.push_back(this);
  }
  ~FakeCodec() override { all_.erase(std::find(all_.begin(), all_.end(), this)); }

  Protocol protocol() const override { return protocol_; }
  http::CodecStatus dispatch(net::Buffer& data) override {
    const std::string bytes = data.toString();
    data.clear();
    if (bytes == "bad") {
      return {http::CodecError::Protocol, "fake.bad"};
    }
    if (bytes == "goaway") {
      callbacks_.onGoAway(true);
    }
    return {};
  }
  http::CodecStatus onEndOfInput() override { return {}; }
  void goAway() override {}
  void shutdownNotice() override {}
  bool wantsToWrite() const override { return false; }
  void onConnectionAboveHighWatermark() override {}
  void onConnectionBelowLowWatermark() override {}
  void resetAllStreams(ResetReason reason, absl::string_view details) override {
    while (!streams_.empty()) {
      http::StreamReceiver& receiver = streams_.front().receiver;
      streams_.pop_front();
      receiver.onReset(reason, details);
    }
  }
  size_t activeStreams() const override { return streams_.size(); }
  http::StreamSender& newStream(http::StreamReceiver& receiver) override {
    return streams_.emplace_back(*this, receiver);
  }

  void forget(Stream& stream) {
    streams_.remove_if([&](const Stream& each) { return &each == &stream; });
  }

  http::CodecCallbacks& callbacks_;
  const Protocol protocol_;
  net::Connection& connection_;
  std::list<Stream> streams_;

 private:
  std::vector<FakeCodec*>& all_;
};

struct FakeCodecs : ClientCodecFactory {
  std::unique_ptr<http::ClientCodec> create(Protocol protocol, net::Connection& connection,
                                            http::CodecCallbacks& callbacks, const HttpCodecStats&) const override {
    return std::make_unique<FakeCodec>(protocol, connection, callbacks, all);
  }
  uint32_t maxConcurrentStreams() const override { return streams; }
  mutable std::vector<FakeCodec*> all;
  uint32_t streams = 100;
};

/** One request, and what became of it. */
struct User : HttpUpstreamCallbacks, http::StreamReceiver {
  void onPoolReady(const UpstreamStream& ready) override {
    stream = ready;
    ++readies;
    if (then) {
      then();
    }
  }
  void onPoolFailure(PoolFailure why, absl::string_view text) override {
    failure = why;
    details = std::string(text);
    if (then) {
      then();
    }
  }
  base::Arena& arena() override { return memory; }
  void onHeaders(http::HeaderMap&, bool) override {}
  void onInterimHeaders(http::HeaderMap&) override {}
  void onData(net::Buffer&, bool) override {}
  void onTrailers(http::HeaderMap&) override {}
  void onReset(ResetReason reason, absl::string_view) override {
    reset = reason;
    if (upstream != nullptr && tells_end) {
      upstream->onStreamEnd(reason);
    }
  }
  void onAboveWriteBufferHighWatermark() override {}
  void onBelowWriteBufferLowWatermark() override {}

  /** Both messages have ended. */
  void finish() {
    auto& sender = static_cast<FakeCodec::Stream&>(*stream.sender);
    sender.codec.forget(sender);
    upstream->onStreamEnd();
  }
  uint64_t connectionId() const { return stream.connection->id(); }

  std::unique_ptr<HttpUpstream> upstream;
  UpstreamStream stream;
  int readies = 0;
  std::optional<PoolFailure> failure;
  std::string details;
  std::optional<ResetReason> reset;
  bool tells_end = true;
  std::function<void()> then;
  base::Arena memory;
};

class HttpPoolTest : public test::LocalClustersFixture {
 protected:
  HttpPoolTest() {
    HttpOptions http;
    http.codecs = codecs_;
    setRecipe(std::move(http));
  }
  ~HttpPoolTest() override {
    clear();
    EXPECT_TRUE(codecs_->all.empty());
    for (const bool high : {false, true}) {
      CircuitBreakers::Limits& limits = breakers_->of(high);
      EXPECT_EQ(0u, limits.connections.count());
      EXPECT_EQ(0u, limits.pending.count());
      EXPECT_EQ(0u, limits.requests.count());
      EXPECT_EQ(0u, limits.pools.count());
    }
    for (const char* name : {"upstream_cx_active", "upstream_rq_active", "upstream_rq_pending_active"}) {
      EXPECT_EQ(0u, gauge(name)) << name;
    }
    EXPECT_EQ(0u, endpoint_->counts().cx_active);
    EXPECT_EQ(0u, endpoint_->requestCounts().active);
    EXPECT_EQ(0u, endpoint_->requestCounts().pending);
  }

  /** The recipe with another setting; before add(). */
  void change(const std::function<void(HttpOptions&)>& set) {
    auto recipe = std::make_shared<ConnectionRecipe>(*recipe_);
    set(recipe->http);
    recipe_ = recipe;
  }
  void useHttp2() {
    change([](HttpOptions& http) { http.protocol = HttpProtocolChoice::Http2; });
  }
  void begin(User& user, HttpStreamOptions options = {}) {
    user.upstream = cluster().newHttpStream(user, user, LoadBalancerContext(), options);
    user.upstream->start();
  }
  void ready(User& user) {
    begin(user);
    ASSERT_TRUE(until([&] { return user.readies == 1 || user.failure.has_value(); }));
    ASSERT_FALSE(user.failure.has_value());
  }
  /** How many connections the backend has got that it has not accepted. */
  size_t acceptAll() {
    size_t count = 0;
    net::Socket peer;
    net::Address remote;
    while (net::acceptConnection(backend_.socket.fd(), peer, remote) == 0) {
      peers_.push_back(std::move(peer));
      ++count;
    }
    return count;
  }

  const std::shared_ptr<FakeCodecs> codecs_ = std::make_shared<FakeCodecs>();
  std::vector<net::Socket> peers_;
};

}  // namespace sluice::cluster
