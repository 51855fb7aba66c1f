#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

#include "source/cluster/transport_factory.h"
#include "source/config/canonical_key.h"
#include "test/cluster/fake_transport.h"

namespace sluice::test {

/** Makes FakeTransports of UpstreamTlsContexts; the SNI "wait-x" waits for a secret of the name x. */
class FakeUpstreamTransport : public cluster::UpstreamTransportSocketFactory {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message& message,
                                                            const config::FieldPath& path,
                                                            cluster::TransportContext& context,
                                                            config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    if (proto.sni() == "bad") {
      violations.add(path.field("sni"), absl::StrCat("is bad in ", context.cluster_name));
      return nullptr;
    }
    if (proto.sni().rfind("wait-", 0) == 0) {
      std::unique_ptr<xds::InitTarget>& secret = secrets[proto.sni().substr(5)];
      if (secret == nullptr) {
        secret = std::make_unique<xds::InitTarget>(absl::StrCat("secret ", proto.sni().substr(5)), [] {});
      }
      context.init_manager.add(*secret);
    }
    return std::make_shared<FakeTransport>(config::canonicalBytes(message));
  }

  mutable std::map<std::string, std::unique_ptr<xds::InitTarget>> secrets;
};

/** A cluster's transport_socket of that kind. */
inline std::string fakeTls(absl::string_view sni) {
  return absl::StrCat(
      R"({name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: )",
      sni, "}}");
}

}  // namespace sluice::test
