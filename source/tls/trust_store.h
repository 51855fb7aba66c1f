#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/config/canonical_key.h"
#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/**
 * Authorities that certificates are traced back to, with their revocation lists. Parsed once for equal bytes, however many
 * validation contexts hold them. Made on main; immutable, shared, any thread.
 */
class TrustStore {
 public:
  /** How a chain is verified. */
  struct Options {
    /** The peer is a server (and its certificate for one). */
    bool server = false;
    bool allow_expired = false;
    /** Of the chain only the peer's own certificate is looked for in the revocation lists. */
    bool crl_of_leaf_only = false;
    /** Intermediate certificates between the peer's own and an authority's; negative: as many as OpenSSL takes. */
    int max_depth = -1;
  };
  /** X509_V_OK, or what was wrong and how far from the peer's own certificate. */
  struct Verdict {
    int error = X509_V_OK;
    int depth = 0;
  };

  /** `crl` may be empty, and `ca` may hold revocation lists, too. The error says which is not PEM. */
  static absl::StatusOr<std::shared_ptr<const TrustStore>> create(absl::string_view ca, absl::string_view crl);
  /** Of certificates in DER. */
  static absl::StatusOr<std::shared_ptr<const TrustStore>> createFromDer(const std::vector<std::string>& certificates);

  Verdict verify(X509& leaf, STACK_OF(X509) * chain, const Options& options) const;

  const std::vector<X509Ptr>& authorities() const { return authorities_; }
  /** Of its bytes. */
  const config::ContentKey& key() const { return key_; }

 private:
  TrustStore() = default;
  absl::Status addAuthorities(std::vector<X509Ptr> authorities);

  X509StorePtr store_;
  std::vector<X509Ptr> authorities_;
  bool has_crl_ = false;
  config::ContentKey key_;
};

}  // namespace sluice::tls
