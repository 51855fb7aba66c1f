#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

namespace sluice::test {

inline std::string base64Url(const std::string& bytes) { return absl::WebSafeBase64Escape(bytes); }

/** A key that signs tokens, and its public half as a JSON Web Key. */
class JwtSigner {
 public:
  /** `alg`: RS256 and so on; `kid` may be empty. */
  explicit JwtSigner(std::string alg, std::string kid = "") : alg_(std::move(alg)), kid_(std::move(kid)) {
    if (absl::StartsWith(alg_, "HS")) {
      secret_ = "a secret of some length, " + kid_;
    } else if (alg_ == "EdDSA") {
      key_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    } else if (absl::StartsWith(alg_, "ES")) {
      key_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", alg_ == "ES256" ? "P-256" : alg_ == "ES384" ? "P-384" : "P-521");
    } else {
      key_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
    }
  }
  JwtSigner(const JwtSigner&) = delete;
  ~JwtSigner() { EVP_PKEY_free(key_); }

  std::string jwk(bool with_alg = true) const {
    std::string out = "{";
    if (!kid_.empty()) {
      absl::StrAppend(&out, "\"kid\":\"", kid_, "\",");
    }
    if (with_alg) {
      absl::StrAppend(&out, "\"alg\":\"", alg_, "\",");
    }
    if (key_ == nullptr) {
      return absl::StrCat(out, "\"kty\":\"oct\",\"k\":\"", base64Url(secret_), "\"}");
    }
    if (alg_ == "EdDSA") {
      std::string x(32, '\0');
      size_t length = x.size();
      EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(x.data()), &length);
      return absl::StrCat(out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"", base64Url(x), "\"}");
    }
    if (absl::StartsWith(alg_, "ES")) {
      return absl::StrCat(out, "\"kty\":\"EC\",\"crv\":\"",
                          alg_ == "ES256"   ? "P-256"
                          : alg_ == "ES384" ? "P-384"
                                            : "P-521",
                          "\",\"x\":\"", parameter(OSSL_PKEY_PARAM_EC_PUB_X), "\",\"y\":\"",
                          parameter(OSSL_PKEY_PARAM_EC_PUB_Y), "\"}");
    }
    return absl::StrCat(out, "\"kty\":\"RSA\",\"n\":\"", parameter(OSSL_PKEY_PARAM_RSA_N), "\",\"e\":\"",
                        parameter(OSSL_PKEY_PARAM_RSA_E), "\"}");
  }

  std::string token(const std::string& payload) const {
    const std::string header = kid_.empty() ? absl::StrCat("{\"alg\":\"", alg_, "\"}")
                                            : absl::StrCat("{\"alg\":\"", alg_, "\",\"kid\":\"", kid_, "\"}");
    const std::string text = absl::StrCat(base64Url(header), ".", base64Url(payload));
    return absl::StrCat(text, ".", base64Url(sign(text)));
  }

 private:
  std::string parameter(const char* name) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_, name, &number);
    std::string bytes(static_cast<size_t>(BN_num_bytes(number)), '\0');
    BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(number);
    return base64Url(bytes);
  }

  std::string sign(const std::string& text) const {
    const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
    const EVP_MD* const md = alg_ == "EdDSA"               ? nullptr
                             : absl::EndsWith(alg_, "256") ? EVP_sha256()
                             : absl::EndsWith(alg_, "384") ? EVP_sha384()
                                                           : EVP_sha512();
    if (key_ == nullptr) {
      unsigned char out[EVP_MAX_MD_SIZE];
      unsigned int length = 0;
      HMAC(md, secret_.data(), static_cast<int>(secret_.size()), data, text.size(), out, &length);
      return std::string(reinterpret_cast<char*>(out), length);
    }
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* key_context = nullptr;
    EVP_DigestSignInit(context, &key_context, md, nullptr, key_);
    if (absl::StartsWith(alg_, "PS")) {
      EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST);
    }
    size_t length = 0;
    EVP_DigestSign(context, nullptr, &length, data, text.size());
    std::string signature(length, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &length, data, text.size());
    signature.resize(length);
    EVP_MD_CTX_free(context);
    return absl::StartsWith(alg_, "ES") ? fixedLength(signature) : signature;
  }

  std::string fixedLength(const std::string& der) const {
    const size_t size = alg_ == "ES256" ? 32 : alg_ == "ES384" ? 48 : 66;
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* const pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string out(2 * size, '\0');
    auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, static_cast<int>(size));
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + size, static_cast<int>(size));
    ECDSA_SIG_free(pair);
    return out;
  }

  const std::string alg_;
  const std::string kid_;
  std::string secret_;
  EVP_PKEY* key_ = nullptr;
};

inline std::string keySet(const std::vector<const JwtSigner*>& signers, bool with_alg = true) {
  std::string out = "{\"keys\":[";
  for (const JwtSigner* signer : signers) {
    absl::StrAppend(&out, out.back() == '[' ? "" : ",", signer->jwk(with_alg));
  }
  return out + "]}";
}

}  // namespace sluice::test
