#include "source/filters/http/buffer.h"

#include "envoy/extensions/filters/http/buffer/v3/buffer.pb.h"

#include "source/filters/http/pass_through.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;
using Proto = envoy::extensions::filters::http::buffer::v3::Buffer;
using PerRouteProto = envoy::extensions::filters::http::buffer::v3::BufferPerRoute;

struct BufferPerRoute : http::PerRouteConfig {
  bool disabled = false;
  uint32_t max_request_bytes = 0;
};

class BufferFilter final : public PassThroughDecoder {
 public:
  explicit BufferFilter(uint32_t max_request_bytes) : max_request_bytes_(max_request_bytes) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool end_stream) override {
    if (end_stream) {
      return HeadersStatus::Continue;
    }
    if (const auto* route = static_cast<const BufferPerRoute*>(decoder_->perRouteConfig()); route != nullptr) {
      if (route->disabled) {
        return HeadersStatus::Continue;
      }
      max_request_bytes_ = route->max_request_bytes;
    }
    decoder_->setBufferLimit(max_request_bytes_);
    headers_ = &headers;
    return HeadersStatus::StopIteration;
  }

  DataStatus decodeData(net::Buffer& data, bool end_stream) override {
    received_ += data.length();
    if (headers_ != nullptr && !end_stream) {
      return DataStatus::StopIterationAndBuffer;
    }
    sayLength();
    return DataStatus::Continue;
  }

  TrailersStatus decodeTrailers(HeaderMap&) override {
    sayLength();
    return TrailersStatus::Continue;
  }

 private:
  /** Now that it is known: the upstream need not be sent chunks. */
  void sayLength() {
    if (headers_ != nullptr && !headers_->has(HeaderId::ContentLength)) {
      headers_->remove(HeaderId::TransferEncoding);
      headers_->addNumber(HeaderId::ContentLength, received_);
    }
    headers_ = nullptr;
  }

  uint32_t max_request_bytes_;
  uint64_t received_ = 0;
  /** Null while nothing is held. */
  HeaderMap* headers_ = nullptr;
};

class BufferConfig : public http::HttpFilterConfig {
 public:
  explicit BufferConfig(uint32_t max_request_bytes) : max_request_bytes_(max_request_bytes) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addDecoderFilter(*chain.arena().make<BufferFilter>(max_request_bytes_));
  }

 private:
  const uint32_t max_request_bytes_;
};

class BufferFactory : public HttpFilterFactory {
 public:
  explicit BufferFactory(event::Dispatcher& main) : main_(main) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PerRouteProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath&, HttpFilterContext&,
                                                       config::Violations&) const override {
    const auto& proto = static_cast<const Proto&>(message);
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<BufferConfig>(proto.max_request_bytes().value()));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath&,
                                                             config::Violations&) const override {
    const auto& proto = static_cast<const PerRouteProto&>(message);
    auto settings = std::make_shared<BufferPerRoute>();
    settings->disabled = proto.disabled();
    settings->max_request_bytes = proto.buffer().max_request_bytes().value();
    return settings;
  }

 private:
  event::Dispatcher& main_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> bufferFactory(event::Dispatcher& main) {
  return std::make_unique<BufferFactory>(main);
}

}  // namespace sluice::filters
