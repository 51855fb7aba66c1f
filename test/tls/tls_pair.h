#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <gtest/gtest.h>

#include "source/base/clock.h"
#include "source/stats/store.h"
#include "source/tls/context.h"
#include "source/tls/tls_transport_socket.h"
#include "test/support/certificates.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/sockets.h"

namespace sluice::tls {

/** One end of a connection: what a net::Connection would do for its transport socket, step by step. */
class Side : public net::TransportSocketCallbacks {
 public:
  Side(net::Socket socket, std::shared_ptr<const Context> context, const net::TransportSocketTarget& target = {})
      : socket_(std::move(socket)), transport_(std::make_unique<TlsTransportSocket>(std::move(context), target)) {
    transport_->setCallbacks(*this);
  }
  ~Side() override { close(); }

  /** Reads and writes what there is. False when nothing moved. */
  bool step(bool until_eof = false) {
    if (closed_) {
      return false;
    }
    bool moved = false;
    if (!started_) {
      started_ = true;
      transport_->onConnected();
      moved = true;
    }
    const uint64_t before = in.length();
    const net::IoResult read = transport_->read(in, read_budget, until_eof);
    ++reads;
    EXPECT_EQ(read.bytes, in.length() - before);
    EXPECT_LE(read.bytes, read_budget);
    moved = moved || read.bytes > 0 || read.more;
    ended = ended || read.end_stream;
    if (read.close) {
      failed = true;
      close();
      return true;
    }
    if (connected && (!out.empty() || holds_ || (end_wanted && !end_written_))) {
      const net::IoResult written = transport_->write(out, end_wanted);
      moved = moved || written.bytes > 0;
      if (written.close) {
        failed = true;
        close();
        return true;
      }
      end_written_ = end_wanted && out.empty() && !holds_;
    } else if (holds_) {
      transport_->write(out, false);
    }
    return moved;
  }
  void close(net::ConnectionEvent event = net::ConnectionEvent::LocalClose) {
    if (!closed_) {
      closed_ = true;
      transport_->onClose(event);
      socket_.close();
    }
  }
  void write(absl::string_view bytes) { out.append(bytes); }
  std::string take() {
    std::string text = in.toString();
    in.clear();
    return text;
  }
  TlsTransportSocket& transport() { return *transport_; }
  const SslConnection& info() { return static_cast<const SslConnection&>(*transport_->tlsInfo()); }
  bool holds() const { return holds_; }
  bool closed() const { return closed_; }

  // TransportSocketCallbacks
  int fd() const override { return socket_.fd(); }
  /** Each step is a turn of its own, unless the test says which it is. */
  base::MonotonicTime turn() const override { return fixed_turn.value_or(std::chrono::steady_clock::now()); }
  void onTransportConnected() override {
    EXPECT_FALSE(connected);
    connected = true;
  }
  void scheduleWrite() override {}
  void scheduleRead() override {}
  void setHandshaking(bool handshaking) override { handshaking_ = handshaking; }
  void setHoldsUnsent(bool holds) override { holds_ = holds; }

  net::Buffer in;
  net::Buffer out;
  uint64_t read_budget = 128 * 1024;
  bool end_wanted = false;
  std::optional<base::MonotonicTime> fixed_turn;
  bool connected = false;
  bool ended = false;
  bool failed = false;
  int reads = 0;

 private:
  net::Socket socket_;
  std::unique_ptr<TlsTransportSocket> transport_;
  bool started_ = false;
  bool closed_ = false;
  bool holds_ = false;
  bool handshaking_ = false;
  bool end_written_ = false;
};

/** Makes contexts of both sides, and connections between them. */
class TlsPairTest : public testing::Test {
 public:
  TlsPairTest() {
    server_settings_.server = true;
    client_settings_.server = false;
    client_settings_.sni = "a.test";
    server_stats_ = TlsStats::create(main_, store_.createScope("listener.x"), "server_ssl_socket_factory");
    client_stats_ = TlsStats::create(main_, store_.createScope("cluster.y"), "client_ssl_socket_factory");
  }

  static std::shared_ptr<const Certificate> certificate(const Certificate::Proto& message) {
    config::Violations violations;
    auto made = Certificate::create(message, config::FieldPath("c"), violations);
    EXPECT_NE(nullptr, made) << violations.toString();
    return made;
  }
  static std::shared_ptr<const Certificate> certificate(const test::TestCertificate& issued) {
    return certificate(issued.config());
  }
  static std::shared_ptr<const ValidationContext> validation(const ValidationContext::Proto& message) {
    config::Violations violations;
    auto made = ValidationContext::create(message, config::FieldPath("v"), violations);
    EXPECT_NE(nullptr, made) << violations.toString();
    return made;
  }
  std::shared_ptr<const Context> makeServer(Materials materials) {
    auto made = Context::create(std::make_shared<Settings>(server_settings_), std::move(materials), server_stats_);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? std::shared_ptr<const Context>(*std::move(made)) : nullptr;
  }
  std::shared_ptr<const Context> makeClient(Materials materials) {
    auto made = Context::create(std::make_shared<Settings>(client_settings_), std::move(materials), client_stats_);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? std::shared_ptr<const Context>(*std::move(made)) : nullptr;
  }
  /** A server for "a.test", and a client that trusts it. */
  void usual() {
    server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, nullptr, nullptr});
    client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
  }
  void connect(const net::TransportSocketTarget& target = {}) {
    auto [ours, theirs] = test::unixPair();
    server_ = std::make_unique<Side>(std::move(ours), server_context_);
    client_ = std::make_unique<Side>(std::move(theirs), client_context_, target);
  }
  /** Until nothing moves any more. */
  void pump() {
    for (int quiet = 0; quiet < 2;) {
      const bool server = server_->step();
      const bool client = client_->step();
      quiet = server || client ? 0 : quiet + 1;
    }
    main_.runUntilIdle();
  }
  bool handshake(const net::TransportSocketTarget& target = {}) {
    connect(target);
    pump();
    return server_->connected && client_->connected && !server_->failed && !client_->failed;
  }
  /** Both directions, and sessions get to the client. */
  void exchange() {
    client_->write("request");
    pump();
    EXPECT_EQ("request", server_->take());
    server_->write("answer");
    pump();
    EXPECT_EQ("answer", client_->take());
  }
  uint64_t counter(absl::string_view name) { return store_.counterValue(name); }

  test::FakeDispatcher main_;
  stats::Store store_;
  test::TestAuthority ca_;
  Settings server_settings_;
  Settings client_settings_;
  std::shared_ptr<const TlsStats> server_stats_;
  std::shared_ptr<const TlsStats> client_stats_;
  std::shared_ptr<const Context> server_context_;
  std::shared_ptr<const Context> client_context_;
  std::unique_ptr<Side> server_;
  std::unique_ptr<Side> client_;
};

}  // namespace sluice::tls
