#include "source/tls/private_key.h"

#include <cstring>
#include <memory>
#include <utility>

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "source/tls/pem.h"

namespace sluice::tls {
namespace {

/**
 * OpenSSL's decoder of one kind of key in one structure. To find out which decoders it needs takes fifteen times as long
 * as to decode a key, and it can be asked again.
 */
class KeyDecoder {
 public:
  KeyDecoder(const char* structure, const char* type)
      : context_(OSSL_DECODER_CTX_new_for_pkey(&made_, "DER", structure, type, EVP_PKEY_KEYPAIR, nullptr, nullptr)) {}

  PkeyPtr decode(const unsigned char* data, size_t length) {
    made_ = nullptr;
    if (context_ == nullptr || OSSL_DECODER_from_data(context_.get(), &data, &length) != 1) {
      EVP_PKEY_free(made_);
      made_ = nullptr;
    }
    return PkeyPtr(std::exchange(made_, nullptr));
  }

 private:
  EVP_PKEY* made_ = nullptr;
  const std::unique_ptr<OSSL_DECODER_CTX, FreeWith<OSSL_DECODER_CTX_free>> context_;
};

constexpr char kPkcs8[] = "PrivateKeyInfo";
constexpr char kTypeSpecific[] = "type-specific";

KeyDecoder& ecPkcs8() {
  thread_local KeyDecoder decoder(kPkcs8, "EC");
  return decoder;
}
KeyDecoder& rsaPkcs8() {
  thread_local KeyDecoder decoder(kPkcs8, "RSA");
  return decoder;
}
KeyDecoder& ecAlone() {
  thread_local KeyDecoder decoder(kTypeSpecific, "EC");
  return decoder;
}
KeyDecoder& rsaAlone() {
  thread_local KeyDecoder decoder(kTypeSpecific, "RSA");
  return decoder;
}

/** Of PKCS #8; null for keys that are neither RSA nor EC. */
KeyDecoder* decoderOfPkcs8(const unsigned char* data, long length) {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreeWith<PKCS8_PRIV_KEY_INFO_free>> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &data, length));
  const ASN1_OBJECT* type = nullptr;
  if (info == nullptr || PKCS8_pkey_get0(&type, nullptr, nullptr, nullptr, info.get()) != 1) {
    return nullptr;
  }
  switch (OBJ_obj2nid(type)) {
    case NID_X9_62_id_ecPublicKey:
      return &ecPkcs8();
    case NID_rsaEncryption:
      return &rsaPkcs8();
    default:
      return nullptr;
  }
}

/** Null for all that is not an RSA or EC key in the clear. */
PkeyPtr readUsual(const std::string& pem) {
  const BioPtr bio = readingBio(pem);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;
  PkeyPtr key;
  bool more = true;
  while (more && PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1) {
    KeyDecoder* decoder = nullptr;
    more = std::strstr(name, "PRIVATE KEY") == nullptr;
    if (std::strcmp(name, PEM_STRING_PKCS8INF) == 0) {
      decoder = decoderOfPkcs8(data, length);
    } else if (*header == '\0' && std::strcmp(name, PEM_STRING_ECPRIVATEKEY) == 0) {
      decoder = &ecAlone();
    } else if (*header == '\0' && std::strcmp(name, PEM_STRING_RSA) == 0) {
      decoder = &rsaAlone();
    }
    if (decoder != nullptr) {
      key = decoder->decode(data, static_cast<size_t>(length));
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<size_t>(length));
  }
  return key;
}

int givePassword(char* buffer, int size, int, void* password) {
  const auto* text = static_cast<const std::string*>(password);
  if (text == nullptr || text->size() > static_cast<size_t>(size)) {
    return -1;
  }
  std::memcpy(buffer, text->data(), text->size());
  return static_cast<int>(text->size());
}

}  // namespace

PkeyPtr readPrivateKey(const std::string& pem, const std::string* password) {
  ERR_clear_error();
  PkeyPtr key = readUsual(pem);
  if (key == nullptr) {
    ERR_clear_error();
    const BioPtr bio = readingBio(pem);
    key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, givePassword, const_cast<std::string*>(password)));
  }
  ERR_clear_error();
  return key;
}

}  // namespace sluice::tls
