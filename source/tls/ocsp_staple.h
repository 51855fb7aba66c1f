#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/** A DER-encoded OCSP response that is stapled to handshakes (RFC 6066, section 8). Immutable. */
class OcspStaple {
 public:
  /**
   * Refuses what is no successful response about one certificate. Whether it is about `certificate` is asked here; its
   * time when it is used.
   */
  static absl::StatusOr<OcspStaple> create(std::string der, const X509& certificate);

  const std::string& der() const { return der_; }
  base::SystemTime thisUpdate() const { return this_update_; }
  /** A response without an end is good until the next one. */
  base::SystemTime nextUpdate() const { return next_update_; }
  bool expired(base::SystemTime now) const { return now < this_update_ || now >= next_update_; }

 private:
  OcspStaple() = default;

  std::string der_;
  base::SystemTime this_update_;
  base::SystemTime next_update_;
};

}  // namespace sluice::tls
