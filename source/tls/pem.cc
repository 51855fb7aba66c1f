#include "source/tls/pem.h"

#include <climits>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/sha.h>

#include "source/base/assert.h"

namespace sluice::tls {

BioPtr readingBio(absl::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX))));
}

namespace {

/** One without decoders: what is read in it keeps its public key as bytes. Null where there is none to be had. */
OSSL_LIB_CTX* withoutDecoders() {
  static OSSL_LIB_CTX* const made = [] {
    OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
    if (context != nullptr && OSSL_PROVIDER_load(context, "null") == nullptr) {
      OSSL_LIB_CTX_free(context);
      context = nullptr;
    }
    ERR_clear_error();
    return context;
  }();
  return made;
}

X509Ptr readCertificate(const unsigned char* data, long length, OSSL_LIB_CTX* context) {
  X509* certificate = X509_new_ex(context, nullptr);
  // Frees it where it cannot be read.
  return X509Ptr(certificate == nullptr ? nullptr : d2i_X509(&certificate, &data, length));
}

}  // namespace

X509Ptr withPublicKey(const X509& certificate) {
  unsigned char* data = nullptr;
  const int length = i2d_X509(&certificate, &data);
  SLUICE_CHECK(length > 0, "no memory for a certificate");
  X509Ptr made = readCertificate(data, length, nullptr);
  OPENSSL_free(data);
  SLUICE_CHECK(made != nullptr, "a certificate could be read once and not again");
  return made;
}

PemCertificates readPemCertificates(absl::string_view text, PublicKeys keys) {
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
      const bool as_bytes = keys == PublicKeys::NotOfTheFirst && found.certificates.empty();
      X509Ptr certificate = kind == PEM_STRING_X509_TRUSTED
                                ? X509Ptr(d2i_X509_AUX(nullptr, &at, length))
                                : readCertificate(at, length, as_bytes ? withoutDecoders() : nullptr);
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
