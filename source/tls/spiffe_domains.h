#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/tls/certificate_details.h"
#include "source/tls/trust_store.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class SPIFFECertValidatorConfig;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

/**
 * The trust domains that envoy.tls.cert_validator.spiffe knows, each with its own authorities, so that none can vouch for
 * another's identities (the SPIFFE X.509-SVID standard). Made on main; immutable, any thread.
 */
class SpiffeDomains {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig;

  /** Null, with violations. Reads data sources here and now. */
  static std::unique_ptr<const SpiffeDomains> create(const Proto& message, const config::FieldPath& path,
                                                     config::Violations& violations);

  /**
   * The authorities for the identity that `leaf` claims. Null, with the reason, where it claims none or is no leaf, or the
   * domain is not known.
   */
  const TrustStore* storeFor(X509& leaf, const std::vector<SubjectAltName>& names, std::string& reason) const;

  std::vector<const TrustStore*> stores() const;

 private:
  void addBundles(const std::string& json, const config::FieldPath& path, config::Violations& violations);

  absl::flat_hash_map<std::string, std::shared_ptr<const TrustStore>> domains_;
};

}  // namespace sluice::tls
