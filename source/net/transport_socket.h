#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/config/canonical_key.h"
#include "source/net/address.h"
#include "source/net/buffer.h"
#include "source/net/proxy_tlv.h"
#include "source/net/tls_info.h"

namespace sluice::net {

enum class ConnectionEvent : uint8_t {
  /** The peer closed, or an error ended the connection. */
  RemoteClose,
  /** We closed. */
  LocalClose,
  /** A client connection (and its handshake) is established. */
  Connected,
};

struct IoResult {
  bool close = false;
  /** The peer's end was read. */
  bool end_stream = false;
  /** More may be readable although the budget is used up. */
  bool more = false;
  uint64_t bytes = 0;
  /** errno of a failure that closes; 0 otherwise. */
  int error = 0;
};

/** What a transport socket may ask of its connection. */
class TransportSocketCallbacks {
 public:
  virtual ~TransportSocketCallbacks() = default;
  virtual int fd() const = 0;
  /** When this turn of the loop began. */
  virtual base::MonotonicTime turn() const = 0;
  /** The transport is ready: raises ConnectionEvent::Connected. */
  virtual void onTransportConnected() = 0;
  /** Has the connection try writing again when the descriptor is writable, or reading at the next turn. */
  virtual void scheduleWrite() = 0;
  virtual void scheduleRead() = 0;
  /** While true, read() is called whenever there is something to read, also where nobody reads from the connection. */
  virtual void setHandshaking(bool handshaking) = 0;
  /**
   * The transport holds bytes of its own that the descriptor did not take: until it holds none, write() is called when the
   * descriptor is writable, also with an empty buffer, and a flushing close waits.
   */
  virtual void setHoldsUnsent(bool holds) = 0;
};

/**
 * Moves bytes between a descriptor and buffers, ciphering them or not. One for each connection, on its thread, owned by
 * it. Raw here; TLS beside it.
 */
class TransportSocket {
 public:
  virtual ~TransportSocket() = default;
  virtual void setCallbacks(TransportSocketCallbacks& callbacks) = 0;
  /** ALPN's choice; empty for raw. */
  virtual absl::string_view protocol() const = 0;
  /** Why the transport failed, for logs (%UPSTREAM_TRANSPORT_FAILURE_REASON%). */
  virtual absl::string_view failureReason() const = 0;
  /** The descriptor is connected: begins a handshake or calls onTransportConnected(). */
  virtual void onConnected() = 0;
  /** Reads at most `budget` bytes into `buffer`; `until_eof` reads on after a short read (EV_CLOSED was seen). */
  virtual IoResult read(Buffer& buffer, uint64_t budget, bool until_eof) = 0;
  /** Writes what the descriptor takes and, once the buffer is empty, the end. */
  virtual IoResult write(Buffer& buffer, bool end_stream) = 0;
  virtual void onClose(ConnectionEvent event) = 0;
  /** False before a handshake is complete: what waits to be written will not be, so a close need not wait for it. */
  virtual bool canFlush() const { return true; }
  /** Null for what is no TLS, and before the handshake is complete. */
  virtual std::shared_ptr<const TlsInfo> tlsInfo() const = 0;
  /** True when the bytes on the wire are the bytes in buffers, so that splice() may move them. */
  virtual bool isRaw() const = 0;
  /**
   * Has all bytes but those of `unsent`, which it takes and sends first as they are, go through the TLS that it holds
   * ready; onTransportConnected() comes once more after the handshake. False where it holds none; true when it has done
   * so before.
   */
  virtual bool startSecureTransport(Buffer& unsent);
};

inline bool TransportSocket::startSecureTransport(Buffer&) { return false; }

/**
 * What one upstream connection's user wants of its transport in place of what is configured, as filters leave it in the
 * filter state. Immutable, shared; connections with different options are not exchanged for one another.
 */
struct TransportSocketOptions {
  /** SNI (envoy.network.upstream_server_name); empty: as configured. */
  std::string server_name;
  /** Any of these in the peer's certificate is demanded in place of what is configured; empty: as configured. */
  std::vector<std::string> verify_names;
  /** Offered by ALPN (envoy.network.application_protocols); empty: as configured. */
  std::vector<std::string> protocols;
  /** Offered where neither the options nor the configuration name any: what the pool can speak. */
  std::vector<std::string> fallback_protocols;
  /** The downstream connection's, and what its PROXY protocol header held, for transports that tell of them alone. */
  Address downstream_remote;
  Address downstream_local;
  std::vector<ProxyTlv> proxy_tlvs;

  friend bool operator==(const TransportSocketOptions&, const TransportSocketOptions&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TransportSocketOptions& options) {
    return H::combine(std::move(h), options.server_name, options.verify_names, options.protocols,
                      options.fallback_protocols, options.downstream_remote, options.downstream_local,
                      options.proxy_tlvs);
  }
};

/** What a transport socket is made for. */
struct TransportSocketTarget {
  /** Null where there are none; may be kept. */
  std::shared_ptr<const TransportSocketOptions> options;
  /** The endpoint's, for auto_host_sni; empty downstream and where there is none. Valid during the call. */
  absl::string_view hostname;
};

/** Makes transport sockets on any worker; immutable, shared, built on main from configuration. */
class TransportSocketFactory {
 public:
  virtual ~TransportSocketFactory() = default;
  virtual std::unique_ptr<TransportSocket> create(const TransportSocketTarget& target) const = 0;
  /** False where names and protocols of the options change nothing, so that connections are shared whatever they are. */
  virtual bool readsOptions() const = 0;
  /** True where the peer is told of the downstream connection, so that two of them share no connection. */
  virtual bool readsAddresses() const { return false; }
  /** True when a peer certificate and ALPN are to be had of it. */
  virtual bool isTls() const = 0;
  /** What connections are structurally made of: equal keys make connections that need no replacement. */
  virtual const config::ContentKey& structuralKey() const = 0;
};

}  // namespace sluice::net
