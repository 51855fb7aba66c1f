#pragma once

#include <memory>

#include "source/net/transport_socket.h"

namespace sluice::net {

/** Bytes as they are. */
class RawTransportSocket final : public TransportSocket {
 public:
  void setCallbacks(TransportSocketCallbacks& callbacks) override { callbacks_ = &callbacks; }
  absl::string_view protocol() const override { return ""; }
  absl::string_view failureReason() const override { return ""; }
  void onConnected() override { callbacks_->onTransportConnected(); }
  IoResult read(Buffer& buffer, uint64_t budget, bool until_eof) override;
  IoResult write(Buffer& buffer, bool end_stream) override;
  void onClose(ConnectionEvent) override {}
  std::shared_ptr<const TlsInfo> tlsInfo() const override { return nullptr; }
  bool isRaw() const override { return true; }

 private:
  TransportSocketCallbacks* callbacks_ = nullptr;
};

class RawTransportSocketFactory final : public TransportSocketFactory {
 public:
  RawTransportSocketFactory() : key_(config::contentKey("envoy.transport_sockets.raw_buffer")) {}
  std::unique_ptr<TransportSocket> create(const TransportSocketTarget&) const override {
    return std::make_unique<RawTransportSocket>();
  }
  bool readsOptions() const override { return false; }
  bool isTls() const override { return false; }
  const config::ContentKey& structuralKey() const override { return key_; }

 private:
  const config::ContentKey key_;
};

}  // namespace sluice::net
