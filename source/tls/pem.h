#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/** A BIO that reads `bytes`, which must outlive it. */
BioPtr readingBio(absl::string_view bytes);

/** What of a PEM text is certificates and revocation lists, in its order; other parts are passed over. */
struct PemCertificates {
  std::vector<X509Ptr> certificates;
  std::vector<X509CrlPtr> crls;
  /** False where a part begins as one of these and cannot be read; `error` says why. */
  bool good = true;
  std::string error;
};
/** Whose public keys are decoded, which takes ten times as long as all the rest of a certificate. */
enum class PublicKeys { All, NotOfTheFirst };
PemCertificates readPemCertificates(absl::string_view text, PublicKeys keys = PublicKeys::All);
/** The same certificate once more, with its public key. Never null. */
X509Ptr withPublicKey(const X509& certificate);

/** Empties OpenSSL's queue of this thread and returns the reason of its newest entry; "" where it is empty. */
std::string takeErrorReason();

/** SHA-256, its 32 bytes. */
std::string sha256(absl::string_view bytes);
/** Of the certificate's DER. */
std::string certificateSha256(const X509& certificate);

}  // namespace sluice::tls
