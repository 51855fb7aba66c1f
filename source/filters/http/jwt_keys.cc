#include "source/filters/http/jwt_keys.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

namespace sluice::filters {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

constexpr size_t kEd25519KeyBytes = 32;
constexpr size_t kEd25519SignatureBytes = 64;
/** Weaker ones are as good as no key. */
constexpr int kMinRsaBits = 1024;

std::string text(const Struct& object, const char* name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? std::string() : found->second.string_value();
}

const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Number number(const std::string& big_endian) {
  return Number(BN_bin2bn(bytes(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

EVP_PKEY* makeKey(const char* type, ParamBuilder builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return key;
}

EVP_PKEY* rsaKey(const Struct& object) {
  std::string n;
  std::string e;
  if (!decodeBase64Url(text(object, "n"), n) || !decodeBase64Url(text(object, "e"), e) || n.empty() || e.empty()) {
    return nullptr;
  }
  const Number modulus = number(n);
  const Number exponent = number(e);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  EVP_PKEY* const key = makeKey("RSA", std::move(builder));
  if (key != nullptr && EVP_PKEY_get_bits(key) < kMinRsaBits) {
    EVP_PKEY_free(key);
    return nullptr;
  }
  return key;
}

struct Curve {
  absl::string_view name;
  const char* group;
  absl::string_view alg;
  size_t coordinate_bytes;
};
constexpr Curve kCurves[] = {
    {"P-256", "prime256v1", "ES256", 32},
    {"P-384", "secp384r1", "ES384", 48},
    {"P-521", "secp521r1", "ES512", 66},
};

const Curve* findCurve(absl::string_view name) {
  for (const Curve& curve : kCurves) {
    if (curve.name == name) {
      return &curve;
    }
  }
  return nullptr;
}

EVP_PKEY* ecKey(const Struct& object, const Curve& curve) {
  std::string x;
  std::string y;
  if (!decodeBase64Url(text(object, "x"), x) || !decodeBase64Url(text(object, "y"), y) || x.empty() ||
      x.size() > curve.coordinate_bytes || y.size() > curve.coordinate_bytes) {
    return nullptr;
  }
  // Uncompressed (SEC 1, section 2.3.3): both coordinates at full length.
  const std::string point = absl::StrCat("\x04", std::string(curve.coordinate_bytes - x.size(), '\0'), x,
                                         std::string(curve.coordinate_bytes - y.size(), '\0'), y);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return makeKey("EC", std::move(builder));
}

const EVP_MD* digest(absl::string_view alg) {
  return absl::EndsWith(alg, "256") ? EVP_sha256() : absl::EndsWith(alg, "384") ? EVP_sha384() : EVP_sha512();
}

bool verifyWithDigest(EVP_PKEY* key, absl::string_view alg, const std::string& message, const std::string& signature) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  const EVP_MD* const md = alg == "EdDSA" ? nullptr : digest(alg);
  if (EVP_DigestVerifyInit(context.get(), &key_context, md, nullptr, key) != 1) {
    return false;
  }
  if (absl::StartsWith(alg, "PS") && (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
                                      EVP_PKEY_CTX_set_rsa_mgf1_md(key_context, md) != 1 ||
                                      // RFC 7518, section 3.5: as long as the digest.
                                      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message), message.size()) == 1;
}

/** RFC 7518, section 3.4: two numbers of fixed length; OpenSSL wants them in DER. */
bool verifyEc(EVP_PKEY* key, const Curve& curve, const JwtToken& token) {
  if (token.signature.size() != 2 * curve.coordinate_bytes) {
    return false;
  }
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  Number r = number(token.signature.substr(0, curve.coordinate_bytes));
  Number s = number(token.signature.substr(curve.coordinate_bytes));
  if (ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
    return false;
  }
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair.get(), &der);
  if (length <= 0) {
    return false;
  }
  const std::string signature(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return verifyWithDigest(key, token.alg, token.signed_text, signature);
}

bool verifySecret(const std::string& secret, const JwtToken& token) {
  unsigned char expected[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  return HMAC(digest(token.alg), secret.data(), static_cast<int>(secret.size()), bytes(token.signed_text),
              token.signed_text.size(), expected, &length) != nullptr &&
         token.signature.size() == length && CRYPTO_memcmp(expected, token.signature.data(), length) == 0;
}

}  // namespace

void JwtKeys::FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

JwtKeys::~JwtKeys() = default;

bool JwtKeys::readKey(const Struct& object, Key& out) {
  const std::string kind = text(object, "kty");
  out.kid = text(object, "kid");
  out.alg = text(object, "alg");
  if (kind == "RSA") {
    out.kind = Key::Kind::Rsa;
    if (!out.alg.empty() && !absl::StartsWith(out.alg, "RS") && !absl::StartsWith(out.alg, "PS")) {
      return false;
    }
    out.key.reset(rsaKey(object));
    return out.key != nullptr;
  }
  if (kind == "EC") {
    out.kind = Key::Kind::Ec;
    out.curve = text(object, "crv");
    const Curve* const curve = findCurve(out.curve);
    if (curve == nullptr || (!out.alg.empty() && out.alg != curve->alg)) {
      return false;
    }
    out.alg = std::string(curve->alg);
    out.key.reset(ecKey(object, *curve));
    return out.key != nullptr;
  }
  if (kind == "OKP") {
    out.kind = Key::Kind::Ed25519;
    std::string x;
    if (text(object, "crv") != "Ed25519" || !decodeBase64Url(text(object, "x"), x) || x.size() != kEd25519KeyBytes ||
        (!out.alg.empty() && out.alg != "EdDSA")) {
      return false;
    }
    out.alg = "EdDSA";
    out.key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(x), x.size()));
    return out.key != nullptr;
  }
  if (kind == "oct") {
    out.kind = Key::Kind::Secret;
    return (out.alg.empty() || absl::StartsWith(out.alg, "HS")) && decodeBase64Url(text(object, "k"), out.secret) &&
           !out.secret.empty();
  }
  return false;
}

std::shared_ptr<const JwtKeys> JwtKeys::parse(const std::string& json, JwtStatus& status) {
  Struct object;
  if (!google::protobuf::util::JsonStringToMessage(json, &object).ok()) {
    status = JwtStatus::KeysNotJson;
    return nullptr;
  }
  const auto keys = object.fields().find("keys");
  if (keys == object.fields().end()) {
    status = JwtStatus::KeysMissing;
    return nullptr;
  }
  if (keys->second.kind_case() != Value::kListValue) {
    status = JwtStatus::KeysNotArray;
    return nullptr;
  }
  std::shared_ptr<JwtKeys> out(new JwtKeys());
  for (const Value& each : keys->second.list_value().values()) {
    Key key;
    if (readKey(each.struct_value(), key)) {
      out->keys_.push_back(std::move(key));
    }
  }
  status = out->keys_.empty() ? JwtStatus::NoValidKeys : JwtStatus::Ok;
  return out->keys_.empty() ? nullptr : out;
}

bool JwtKeys::Key::suits(absl::string_view token_alg) const {
  if (!alg.empty()) {
    return alg == token_alg;
  }
  return kind == Kind::Rsa ? absl::StartsWith(token_alg, "RS") || absl::StartsWith(token_alg, "PS")
                           : kind == Kind::Secret && absl::StartsWith(token_alg, "HS");
}

bool JwtKeys::Key::verify(const JwtToken& token) const {
  bool good = false;
  switch (kind) {
    case Kind::Rsa:
    case Kind::Ed25519:
      good = verifyWithDigest(key.get(), token.alg, token.signed_text, token.signature);
      break;
    case Kind::Ec:
      good = verifyEc(key.get(), *findCurve(curve), token);
      break;
    case Kind::Secret:
      good = verifySecret(secret, token);
      break;
  }
  // A bad signature leaves an error in the thread's queue, where TLS would take it for its own.
  ERR_clear_error();
  return good;
}

JwtStatus JwtKeys::verify(const JwtToken& token) const {
  if (token.alg == "EdDSA" && token.signature.size() != kEd25519SignatureBytes) {
    return JwtStatus::EdSignatureLength;
  }
  bool found = false;
  for (const Key& key : keys_) {
    // A token that names no key, or a key without a name, leaves it to the algorithm.
    if ((!token.kid.empty() && !key.kid.empty() && token.kid != key.kid) || !key.suits(token.alg)) {
      continue;
    }
    found = true;
    if (key.verify(token)) {
      return JwtStatus::Ok;
    }
  }
  return found ? JwtStatus::VerificationFails : JwtStatus::NoMatchingKey;
}

}  // namespace sluice::filters
