#include "source/filters/transport/raw_buffer.h"

#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"

#include "source/net/raw_transport_socket.h"

namespace sluice::filters {
namespace {

class RawBufferFactory : public listener::DownstreamTransportSocketFactory {
 public:
  explicit RawBufferFactory(event::Dispatcher& main) : main_(main) {}
  absl::string_view messageName() const override {
    return envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer::descriptor()->full_name();
  }
  std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message&, const config::FieldPath&,
                                                            listener::FactoryContext&,
                                                            config::Violations&) const override {
    return event::ownedBy<const net::TransportSocketFactory>(main_, std::make_unique<net::RawTransportSocketFactory>());
  }

 private:
  event::Dispatcher& main_;
};

class UpstreamRawBufferFactory : public cluster::UpstreamTransportSocketFactory {
 public:
  absl::string_view messageName() const override {
    return envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer::descriptor()->full_name();
  }
  std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message&, const config::FieldPath&,
                                                            cluster::TransportContext&,
                                                            config::Violations&) const override {
    return std::make_shared<const net::RawTransportSocketFactory>();
  }
};

}  // namespace

std::unique_ptr<listener::DownstreamTransportSocketFactory> rawBufferFactory(event::Dispatcher& main) {
  return std::make_unique<RawBufferFactory>(main);
}

std::unique_ptr<cluster::UpstreamTransportSocketFactory> upstreamRawBufferFactory() {
  return std::make_unique<UpstreamRawBufferFactory>();
}

}  // namespace sluice::filters
