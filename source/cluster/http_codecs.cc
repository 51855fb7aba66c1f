#include "source/cluster/http_codecs.h"

namespace sluice::cluster {

std::unique_ptr<http::ClientCodec> HttpCodecs::create(http::Protocol protocol, net::Connection& connection,
                                                      http::CodecCallbacks& callbacks,
                                                      const HttpCodecStats& stats) const {
  if (protocol == http::Protocol::Http2) {
    return std::make_unique<http::Http2ClientCodec>(connection, callbacks, http2_, stats.http2);
  }
  return std::make_unique<http::Http1ClientCodec>(connection, callbacks, http1_, stats.http1);
}

}  // namespace sluice::cluster
