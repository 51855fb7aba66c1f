#include "source/filters/transport/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/config/canonical_key.h"
#include "source/config/duration.h"
#include "source/tls/validation_context.h"

namespace sluice::filters {
namespace {

namespace proto = envoy::extensions::transport_sockets::tls::v3;
using config::FieldPath;
using config::Violations;
using FactoryPtr = std::shared_ptr<const net::TransportSocketFactory>;

constexpr size_t kLongestSni = 255;

FactoryPtr make(const TlsServices& services, tls::Settings settings, tls::ContextParts parts,
                std::shared_ptr<const tls::TlsStats> stats, const google::protobuf::Message& message,
                const FieldPath& path, Violations& violations) {
  parts.settings = std::make_shared<const tls::Settings>(std::move(settings));
  auto made = tls::TlsFactory::make(services.main, services.contexts, std::move(parts), std::move(stats),
                                    config::contentKeyOf(message));
  if (!made.ok()) {
    violations.add(path, std::string(made.status().message()));
    return nullptr;
  }
  return *std::move(made);
}

/** False where it is known already that a chain would not be verified. */
bool canTrust(const tls::ContextParts& parts) {
  if (parts.validation == nullptr) {
    return false;
  }
  const std::shared_ptr<const tls::ValidationContext> content = parts.validation->content();
  return content == nullptr || content->verifiesChain();
}

class Downstream final : public listener::DownstreamTransportSocketFactory {
 public:
  explicit Downstream(TlsServices services) : services_(std::move(services)) {}

  absl::string_view messageName() const override { return proto::DownstreamTlsContext::descriptor()->full_name(); }

  FactoryPtr create(const google::protobuf::Message& generic, const FieldPath& path, listener::FactoryContext& context,
                    Violations& violations) const override {
    const auto& message = static_cast<const proto::DownstreamTlsContext&>(generic);
    const size_t mistakes_before = violations.size();
    tls::Settings settings;
    tls::ContextParts parts;
    settings.server = true;
    readCommonTlsContext(message.common_tls_context(), path.field("common_tls_context"), services_,
                         context.init_manager, settings, parts, violations);
    settings.require_client_certificate = message.require_client_certificate().value();
    settings.stateless_resumption = !message.disable_stateless_session_resumption();
    settings.stateful_resumption = !message.disable_stateful_session_resumption();
    settings.session_timeout =
        std::chrono::seconds(message.has_session_timeout() ? message.session_timeout().seconds() : 0);
    settings.prefer_client_ciphers = message.prefer_client_ciphers();
    settings.full_scan_on_sni_mismatch = message.full_scan_certs_on_sni_mismatch().value();
    switch (message.ocsp_staple_policy()) {
      case proto::DownstreamTlsContext::STRICT_STAPLING:
        settings.ocsp_policy = tls::OcspPolicy::Strict;
        break;
      case proto::DownstreamTlsContext::MUST_STAPLE:
        settings.ocsp_policy = tls::OcspPolicy::MustStaple;
        break;
      default:
        settings.ocsp_policy = tls::OcspPolicy::Lenient;
        break;
    }
    if (message.has_session_ticket_keys()) {
      parts.ticket_keys =
          services_.secrets.ticketKeys(message.session_ticket_keys(), path.field("session_ticket_keys"), violations);
    } else if (message.has_session_ticket_keys_sds_secret_config()) {
      parts.ticket_keys = services_.secrets.ticketKeys(message.session_ticket_keys_sds_secret_config(),
                                                       path.field("session_ticket_keys_sds_secret_config"),
                                                       context.init_manager, violations);
    }
    if (violations.size() != mistakes_before) {
      return nullptr;
    }
    if (parts.identities.empty()) {
      violations.add(path.field("common_tls_context"), "a server needs a certificate, and there is none");
      return nullptr;
    }
    const stats::ScopePtr scope = services_.root->createScope(absl::StrCat("listener.", context.stat_prefix));
    return make(services_, std::move(settings), std::move(parts),
                tls::TlsStats::create(services_.main, scope, "server_ssl_socket_factory"), message, path, violations);
  }

 private:
  const TlsServices services_;
};

class Upstream final : public cluster::UpstreamTransportSocketFactory {
 public:
  explicit Upstream(TlsServices services) : services_(std::move(services)) {}

  absl::string_view messageName() const override { return proto::UpstreamTlsContext::descriptor()->full_name(); }

  FactoryPtr create(const google::protobuf::Message& generic, const FieldPath& path, cluster::TransportContext& context,
                    Violations& violations) const override {
    const auto& message = static_cast<const proto::UpstreamTlsContext&>(generic);
    const size_t mistakes_before = violations.size();
    tls::Settings settings;
    tls::ContextParts parts;
    settings.server = false;
    // Envoy's default for clients.
    settings.max_version = TLS1_2_VERSION;
    readCommonTlsContext(message.common_tls_context(), path.field("common_tls_context"), services_,
                         context.init_manager, settings, parts, violations);
    settings.sni = message.sni();
    if (settings.sni.size() > kLongestSni || settings.sni.find('\0') != std::string::npos) {
      violations.add(path.field("sni"), "not a host's name");
    }
    settings.auto_host_sni = message.auto_host_sni();
    settings.auto_sni_san_validation = message.auto_sni_san_validation();
    if (message.has_enforce_rsa_key_usage()) {
      settings.enforce_rsa_key_usage = message.enforce_rsa_key_usage().value();
    }
    if (message.has_max_session_keys()) {
      settings.max_session_keys = message.max_session_keys().value();
    }
    if (settings.auto_sni_san_validation && !canTrust(parts)) {
      violations.add(path.field("auto_sni_san_validation"), "needs a validation context that says whom to trust");
    }
    if (parts.identities.size() > 1) {
      violations.add(path.field("common_tls_context"), "a client presents one certificate, and there are several");
    }
    if (violations.size() != mistakes_before) {
      return nullptr;
    }
    return make(services_, std::move(settings), std::move(parts),
                tls::TlsStats::create(services_.main, context.scope, "client_ssl_socket_factory"), message, path,
                violations);
  }

 private:
  const TlsServices services_;
};

}  // namespace

std::unique_ptr<listener::DownstreamTransportSocketFactory> tlsDownstreamFactory(TlsServices services) {
  return std::make_unique<Downstream>(std::move(services));
}

std::unique_ptr<cluster::UpstreamTransportSocketFactory> tlsUpstreamFactory(TlsServices services) {
  return std::make_unique<Upstream>(std::move(services));
}

}  // namespace sluice::filters
