#include "source/tls/pem.h"

#include <climits>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

namespace sluice::tls {

BioPtr readingBio(absl::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX))));
}

PemCertificates readPemCertificates(absl::string_view text) {
  PemCertificates found;
  ERR_clear_error();
  const BioPtr bio = readingBio(text);
  while (true) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) {
      const unsigned long error = ERR_peek_last_error();
      if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
      } else {
        found.good = false;
        found.error = takeErrorReason();
      }
      return found;
    }
    const absl::string_view kind(name);
    const unsigned char* at = data;
    bool good = true;
    if (kind == PEM_STRING_X509 || kind == PEM_STRING_X509_OLD || kind == PEM_STRING_X509_TRUSTED) {
      X509Ptr certificate(kind == PEM_STRING_X509_TRUSTED ? d2i_X509_AUX(nullptr, &at, length)
                                                          : d2i_X509(nullptr, &at, length));
      good = certificate != nullptr;
      if (good) {
        found.certificates.push_back(std::move(certificate));
      }
    } else if (kind == PEM_STRING_X509_CRL) {
      X509CrlPtr crl(d2i_X509_CRL(nullptr, &at, length));
      good = crl != nullptr;
      if (good) {
        found.crls.push_back(std::move(crl));
      }
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (!good) {
      found.good = false;
      found.error = takeErrorReason();
      return found;
    }
  }
}

std::string takeErrorReason() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "" : reason;
}

std::string sha256(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string certificateSha256(const X509& certificate) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  unsigned int length = 0;
  X509_digest(&certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), &length);
  return digest;
}

}  // namespace sluice::tls
