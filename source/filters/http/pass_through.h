#pragma once

#include "source/http/filter.h"

namespace sluice::filters {

/** A filter both ways that lets pass what its heir does not look at. */
class PassThroughFilter : public http::DecoderFilter, public http::EncoderFilter {
 public:
  void setDecoderCallbacks(http::DecoderFilterCallbacks& callbacks) override { decoder_ = &callbacks; }
  void setEncoderCallbacks(http::EncoderFilterCallbacks& callbacks) override { encoder_ = &callbacks; }

  http::HeadersStatus decodeHeaders(http::HeaderMap&, bool) override { return http::HeadersStatus::Continue; }
  http::DataStatus decodeData(net::Buffer&, bool) override { return http::DataStatus::Continue; }
  http::TrailersStatus decodeTrailers(http::HeaderMap&) override { return http::TrailersStatus::Continue; }
  http::HeadersStatus encodeHeaders(http::HeaderMap&, bool) override { return http::HeadersStatus::Continue; }
  http::DataStatus encodeData(net::Buffer&, bool) override { return http::DataStatus::Continue; }
  http::TrailersStatus encodeTrailers(http::HeaderMap&) override { return http::TrailersStatus::Continue; }

 protected:
  http::DecoderFilterCallbacks* decoder_ = nullptr;
  http::EncoderFilterCallbacks* encoder_ = nullptr;
};

/** The same for requests alone. */
class PassThroughDecoder : public http::DecoderFilter {
 public:
  void setDecoderCallbacks(http::DecoderFilterCallbacks& callbacks) override { decoder_ = &callbacks; }
  http::HeadersStatus decodeHeaders(http::HeaderMap&, bool) override { return http::HeadersStatus::Continue; }
  http::DataStatus decodeData(net::Buffer&, bool) override { return http::DataStatus::Continue; }
  http::TrailersStatus decodeTrailers(http::HeaderMap&) override { return http::TrailersStatus::Continue; }

 protected:
  http::DecoderFilterCallbacks* decoder_ = nullptr;
};

}  // namespace sluice::filters
