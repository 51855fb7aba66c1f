#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "source/http/codec.h"
#include "source/http/http1_settings.h"
#include "source/http/http2_codec.h"

namespace sluice::net {
class Connection;
}

namespace sluice::cluster {

/** What decides the protocol of a cluster's upstream requests. */
enum class HttpProtocolChoice : uint8_t {
  Http1,
  Http2,
  /** That of the downstream request (use_downstream_protocol_config). */
  Downstream,
  /** What TLS negotiates (auto_config); HTTP/1.1 without TLS. */
  Auto,
};

/** What the connections of one pool speak. */
enum class PoolProtocol : uint8_t {
  Http1,
  Http2,
  /** Each what ALPN chose for it. */
  Auto,
};

/** What codecs count under their cluster's name; those of protocols that it does not speak count nowhere. */
struct HttpCodecStats {
  http::Http1Stats http1;
  http::Http2Stats http2;
};

/**
 * Makes the codecs of a cluster's upstream connections from its protocol options. Immutable; shared by all workers. In
 * production http_codecs.h; tests have their own.
 */
class ClientCodecFactory {
 public:
  virtual ~ClientCodecFactory() = default;
  /** For a connection that stands; it, `callbacks`, `stats` and this outlive the codec. */
  virtual std::unique_ptr<http::ClientCodec> create(http::Protocol protocol, net::Connection& connection,
                                                    http::CodecCallbacks& callbacks,
                                                    const HttpCodecStats& stats) const = 0;
  /** How many streams one HTTP/2 connection is given, until its peer says fewer. */
  virtual uint32_t maxConcurrentStreams() const = 0;
};

/** A cluster's HttpProtocolOptions but for the codecs' own settings: part of what its connections are made with. */
struct HttpOptions {
  HttpProtocolChoice protocol = HttpProtocolChoice::Http1;
  /** Zero: none. */
  std::chrono::milliseconds idle_timeout = std::chrono::hours(1);
  std::optional<std::chrono::milliseconds> max_connection_duration;
  /** The router ends requests by it; none without it. */
  std::optional<std::chrono::milliseconds> max_stream_duration;
  /** 0: no limit. */
  uint32_t max_requests_per_connection = 0;
  /** upstream_http_protocol_options: TLS is asked for the request's host, and its certificate has to be for it. */
  bool auto_sni = false;
  bool auto_sni_san_validation = false;
  /** In lower case: the header that is the host for these two, where it is there; empty: none. */
  std::string sni_header;
  std::shared_ptr<const ClientCodecFactory> codecs;

  bool readsHost() const { return auto_sni || auto_sni_san_validation; }
  PoolProtocol protocolFor(http::Protocol downstream, bool tls) const {
    switch (protocol) {
      case HttpProtocolChoice::Http1:
        break;
      case HttpProtocolChoice::Http2:
        return PoolProtocol::Http2;
      case HttpProtocolChoice::Downstream:
        return downstream == http::Protocol::Http2 ? PoolProtocol::Http2 : PoolProtocol::Http1;
      case HttpProtocolChoice::Auto:
        return tls ? PoolProtocol::Auto : PoolProtocol::Http1;
    }
    return PoolProtocol::Http1;
  }
};

/** Connections beyond those that are needed now (preconnect_policy). */
struct PreconnectPolicy {
  double per_endpoint = 1;
  double predictive = 1;
};

}  // namespace sluice::cluster
