#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/base/callback_list.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/xds/init_manager.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class CertificateValidationContext;
class SdsSecretConfig;
class TlsCertificate;
class TlsSessionTicketKeys;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

class Certificate;
class GenericSecret;
class SessionTicketKeys;
class ValidationContext;

/**
 * Where a TLS context finds one of its secrets: inline, in files, or from a control plane. Content is parsed and checked
 * once, immutable, and shared by all who name the same source. Main thread; shared by its users.
 */
template <class Content>
class SecretProvider {
 public:
  virtual ~SecretProvider() = default;
  /** The newest good one; null before the first came. */
  virtual std::shared_ptr<const Content> content() const = 0;
  /** `changed` is called on main after each replacement, for as long as the handle lives. */
  [[nodiscard]] virtual base::CallbackHandlePtr onChange(std::function<void()> changed) = 0;
};

/**
 * Gives TLS contexts their secrets. Null, with violations, for what is wrong. What is yet to come is added to
 * `init_manager`: the listener or cluster warms until it is there, or until the word that it does not come. Main thread;
 * owned by the server; outlives all contexts.
 */
class SecretSource {
 public:
  template <class Content>
  using Provider = std::shared_ptr<SecretProvider<Content>>;
  using SdsSecretConfig = envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;

  virtual ~SecretSource() = default;
  virtual Provider<Certificate> certificate(
      const envoy::extensions::transport_sockets::tls::v3::TlsCertificate& message, const config::FieldPath& path,
      config::Violations& violations) = 0;
  virtual Provider<Certificate> certificate(const SdsSecretConfig& source, const config::FieldPath& path,
                                            xds::InitManager& init_manager, config::Violations& violations) = 0;
  virtual Provider<ValidationContext> validation(
      const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext& message,
      const config::FieldPath& path, config::Violations& violations) = 0;
  /**
   * `defaults` is combined_validation_context.default_validation_context, null without one: what comes over SDS is merged
   * into it, as Protobuf's MergeFrom does.
   */
  virtual Provider<ValidationContext> validation(
      const SdsSecretConfig& source,
      const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext* defaults,
      const config::FieldPath& path, xds::InitManager& init_manager, config::Violations& violations) = 0;
  virtual Provider<SessionTicketKeys> ticketKeys(
      const envoy::extensions::transport_sockets::tls::v3::TlsSessionTicketKeys& message, const config::FieldPath& path,
      config::Violations& violations) = 0;
  virtual Provider<SessionTicketKeys> ticketKeys(const SdsSecretConfig& source, const config::FieldPath& path,
                                                 xds::InitManager& init_manager, config::Violations& violations) = 0;
  /** Bytes for whoever knows what they mean. */
  virtual Provider<GenericSecret> generic(const SdsSecretConfig& source, const config::FieldPath& path,
                                          xds::InitManager& init_manager, config::Violations& violations) = 0;
};

}  // namespace sluice::tls
