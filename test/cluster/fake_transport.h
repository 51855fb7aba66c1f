#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "source/net/raw_transport_socket.h"

namespace sluice::test {

/** What is known of a connection that FakeTransport made. */
class FakeTlsInfo final : public net::TlsInfo {
 public:
  absl::string_view version() const override { return "TLSv1.3"; }
  absl::string_view cipher() const override { return ""; }
  uint16_t cipherId() const override { return 0; }
  absl::string_view group() const override { return ""; }
  absl::string_view serverName() const override { return ""; }
  absl::string_view protocol() const override { return ""; }
  absl::string_view sessionId() const override { return ""; }
  bool resumed() const override { return false; }
  bool peerPresentedCertificate() const override { return false; }
  bool peerCertificateValidated() const override { return false; }
  const net::CertificateDetails* peer() const override { return nullptr; }
  const net::CertificateDetails* local() const override { return nullptr; }
};

/** Transport sockets in the clear that say that they are TLS: they note what they were made for. */
class FakeTransport : public net::TransportSocketFactory {
 public:
  explicit FakeTransport(absl::string_view key = "fake") : key_(config::contentKey(key)) {}

  std::unique_ptr<net::TransportSocket> create(const net::TransportSocketTarget& target) const override {
    made.push_back(target);
    return std::make_unique<Socket>(*this);
  }
  bool readsOptions() const override { return reads_options; }
  bool readsAddresses() const override { return reads_addresses; }
  bool isTls() const override { return true; }
  const config::ContentKey& structuralKey() const override { return key_; }

  bool reads_options = true;
  bool reads_addresses = false;
  /** What "ALPN" chooses. */
  std::string protocol;
  const std::shared_ptr<const net::TlsInfo> info = std::make_shared<FakeTlsInfo>();
  mutable std::vector<net::TransportSocketTarget> made;

 private:
  class Socket final : public net::TransportSocket {
   public:
    explicit Socket(const FakeTransport& factory) : factory_(factory) {}
    void setCallbacks(net::TransportSocketCallbacks& callbacks) override { raw_.setCallbacks(callbacks); }
    absl::string_view protocol() const override { return factory_.protocol; }
    absl::string_view failureReason() const override { return ""; }
    void onConnected() override { raw_.onConnected(); }
    net::IoResult read(net::Buffer& buffer, uint64_t budget, bool until_eof) override {
      return raw_.read(buffer, budget, until_eof);
    }
    net::IoResult write(net::Buffer& buffer, bool end_stream) override { return raw_.write(buffer, end_stream); }
    void onClose(net::ConnectionEvent) override {}
    std::shared_ptr<const net::TlsInfo> tlsInfo() const override { return factory_.info; }
    bool isRaw() const override { return false; }

   private:
    const FakeTransport& factory_;
    net::RawTransportSocket raw_;
  };

  const config::ContentKey key_;
};

}  // namespace sluice::test
