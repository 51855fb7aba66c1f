#pragma once

#include "source/cluster/http_options.h"
#include "source/http/http1_codec.h"
#include "source/http/http2_codec.h"

namespace sluice::cluster {

/** A cluster's codecs of HTTP/1 and HTTP/2. Immutable; shared by all workers. */
class HttpCodecs final : public ClientCodecFactory {
 public:
  HttpCodecs(http::Http1Settings http1, http::Http2Settings http2)
      : http1_(std::move(http1)), http2_(std::move(http2)) {}

  std::unique_ptr<http::ClientCodec> create(http::Protocol protocol, net::Connection& connection,
                                            http::CodecCallbacks& callbacks,
                                            const HttpCodecStats& stats) const override;
  uint32_t maxConcurrentStreams() const override { return http2_.max_concurrent_streams; }

  const http::Http1Settings& http1() const { return http1_; }
  const http::Http2Settings& http2() const { return http2_; }

 private:
  const http::Http1Settings http1_;
  const http::Http2Settings http2_;
};

}  // namespace sluice::cluster
