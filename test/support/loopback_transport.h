#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "source/net/transport_socket.h"

namespace sluice::test {

/**
 * What a LoopbackTransport reads, writes and suffers. The test holds it beside the connection that owns the transport,
 * and fires file events itself.
 */
struct Loopback {
  /** What the peer sent and the connection has not read yet; then the peer's end, if `incoming_end`. */
  std::string incoming;
  bool incoming_end = false;
  /** What the connection wrote; `outgoing_end` once it wrote its end. */
  std::string outgoing;
  bool outgoing_end = false;
  /** How many more bytes the peer takes. */
  uint64_t takes = std::numeric_limits<uint64_t>::max();
  /** An errno that the next read or write ends with, after what bytes there are. */
  int read_error = 0;
  int write_error = 0;
  /** Calls of each kind. */
  int reads = 0;
  int writes = 0;
  /** Keeps the transport from being connected until the test calls `callbacks->onTransportConnected()`. */
  bool handshakes = false;
  net::TransportSocketCallbacks* callbacks = nullptr;
  std::vector<net::ConnectionEvent> closed;
};

/** A transport socket over strings, which can fail on demand. */
class LoopbackTransport final : public net::TransportSocket {
 public:
  explicit LoopbackTransport(std::shared_ptr<Loopback> loopback) : loopback_(std::move(loopback)) {}

  void setCallbacks(net::TransportSocketCallbacks& callbacks) override { loopback_->callbacks = &callbacks; }
  absl::string_view protocol() const override { return ""; }
  absl::string_view failureReason() const override { return ""; }
  void onConnected() override {
    if (!loopback_->handshakes) {
      loopback_->callbacks->onTransportConnected();
    }
  }
  net::IoResult read(net::Buffer& buffer, uint64_t budget, bool) override {
    Loopback& state = *loopback_;
    ++state.reads;
    net::IoResult result;
    result.bytes = std::min<uint64_t>(budget, state.incoming.size());
    buffer.append(absl::string_view(state.incoming).substr(0, result.bytes));
    state.incoming.erase(0, result.bytes);
    if (!state.incoming.empty()) {
      result.more = true;
    } else if (state.read_error != 0) {
      result.close = true;
      result.error = state.read_error;
    } else {
      result.end_stream = state.incoming_end;
    }
    return result;
  }
  net::IoResult write(net::Buffer& buffer, bool end_stream) override {
    Loopback& state = *loopback_;
    ++state.writes;
    net::IoResult result;
    if (state.write_error != 0) {
      result.close = true;
      result.error = state.write_error;
      return result;
    }
    result.bytes = std::min(state.takes, buffer.length());
    std::string taken(result.bytes, '\0');
    buffer.copyOut(0, result.bytes, taken.data());
    buffer.drain(result.bytes);
    state.takes -= result.bytes;
    state.outgoing += taken;
    state.outgoing_end = state.outgoing_end || (end_stream && buffer.empty());
    return result;
  }
  void onClose(net::ConnectionEvent event) override { loopback_->closed.push_back(event); }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override { return nullptr; }
  bool isRaw() const override { return false; }

 private:
  const std::shared_ptr<Loopback> loopback_;
};

}  // namespace sluice::test
