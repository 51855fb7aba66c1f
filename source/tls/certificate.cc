#include "source/tls/certificate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "source/config/data_source.h"
#include "source/tls/certificate_details.h"
#include "source/tls/pem.h"
#include "source/tls/private_key.h"

namespace sluice::tls {
namespace {

constexpr int kLeastRsaBits = 2048;
/** A signature of so large a key takes some 30 ms, eight times that of one of half the size (bench/tls_bench.cc). */
constexpr int kMostRsaBits = 8192;
/** Of P-521, with room to spare. */
constexpr size_t kLongestPoint = 256;

bool isEncrypted(const std::string& pem) {
  return pem.find("BEGIN ENCRYPTED PRIVATE KEY") != std::string::npos ||
         pem.find("Proc-Type: 4,ENCRYPTED") != std::string::npos;
}

}  // namespace

std::shared_ptr<const Certificate> Certificate::create(const Proto& message, const config::FieldPath& path,
                                                       config::Violations& violations) {
  const size_t mistakes_before = violations.size();
  if (message.has_private_key_provider()) {
    violations.add(path.field("private_key_provider"), "private key providers are not supported");
  }
  if (message.signed_certificate_timestamp_size() > 0) {
    violations.add(path.field("signed_certificate_timestamp"), "signed certificate timestamps are not supported");
  }
  std::optional<std::string> chain;
  std::optional<std::string> key;
  std::optional<std::string> pkcs12;
  std::optional<std::string> password;
  std::optional<std::string> staple;
  const auto read = [&](bool has, const envoy::config::core::v3::DataSource& source, absl::string_view field,
                        std::optional<std::string>& into) {
    if (has) {
      into = config::readDataSource(source, path.field(field), violations);
    }
  };
  read(message.has_certificate_chain(), message.certificate_chain(), "certificate_chain", chain);
  read(message.has_private_key(), message.private_key(), "private_key", key);
  read(message.has_pkcs12(), message.pkcs12(), "pkcs12", pkcs12);
  read(message.has_password(), message.password(), "password", password);
  read(message.has_ocsp_staple(), message.ocsp_staple(), "ocsp_staple", staple);
  if (message.has_pkcs12()) {
    if (message.has_certificate_chain()) {
      violations.add(path.field("certificate_chain"), "must not be set beside pkcs12");
    }
    if (message.has_private_key()) {
      violations.add(path.field("private_key"), "must not be set beside pkcs12");
    }
  } else {
    if (!message.has_certificate_chain()) {
      violations.add(path.field("certificate_chain"), "is required");
    }
    if (!message.has_private_key() && !message.has_private_key_provider()) {
      violations.add(path.field("private_key"), "is required");
    }
  }
  if (violations.size() != mistakes_before) {
    return nullptr;
  }

  std::shared_ptr<Certificate> made(new Certificate());
  const auto& source = message.has_pkcs12() ? message.pkcs12() : message.certificate_chain();
  made->location_ = source.has_filename() ? source.filename() : "<inline>";
  std::string content;
  for (const auto* part : {&chain, &key, &pkcs12, &password, &staple}) {
    absl::StrAppend(&content, part->has_value() ? (*part)->size() : 0, ":", part->value_or(""));
  }
  made->content_key_ = config::contentKey(content);
  OPENSSL_cleanse(content.data(), content.size());

  const std::string* const secret = password.has_value() ? &*password : nullptr;
  bool good;
  if (pkcs12.has_value()) {
    good = made->readPkcs12(*pkcs12, secret, path.field("pkcs12"), violations) &&
           made->checkKey(path.field("pkcs12"), path.field("pkcs12"), violations);
  } else {
    // Both, so that both mistakes are told.
    good = made->readChain(*std::move(chain), path.field("certificate_chain"), violations);
    good = made->readKey(*key, secret, path.field("private_key"), violations) && good;
    good = good && made->checkKey(path.field("private_key"), path.field("certificate_chain"), violations);
  }
  if (good && staple.has_value()) {
    absl::StatusOr<OcspStaple> response = OcspStaple::create(*std::move(staple), made->leaf());
    if (response.ok()) {
      made->staple_ = *std::move(response);
    } else {
      violations.add(path.field("ocsp_staple"), std::string(response.status().message()));
      good = false;
    }
  }
  if (!good) {
    return nullptr;
  }
  made->readLeaf();
  return made;
}

bool Certificate::readChain(std::string bytes, const config::FieldPath& path, config::Violations& violations) {
  PemCertificates found = readPemCertificates(bytes, PublicKeys::NotOfTheFirst);
  if (!found.good || found.certificates.empty()) {
    violations.add(path, found.good || found.error.empty() ? "not a PEM certificate"
                                                           : absl::StrCat("not a PEM certificate: ", found.error));
    return false;
  }
  leaf_ = std::move(found.certificates.front());
  for (size_t i = 1; i < found.certificates.size(); ++i) {
    if (intermediates_ == nullptr) {
      intermediates_.reset(sk_X509_new_null());
    }
    sk_X509_push(intermediates_.get(), found.certificates[i].release());
  }
  return true;
}

bool Certificate::readKey(const std::string& bytes, const std::string* password, const config::FieldPath& path,
                          config::Violations& violations) {
  key_ = readPrivateKey(bytes, password);
  if (key_ != nullptr) {
    return true;
  }
  if (!isEncrypted(bytes)) {
    violations.add(path, "not a PEM private key");
  } else if (password == nullptr) {
    violations.add(path, "the private key is encrypted and there is no password");
  } else {
    violations.add(path, "the private key cannot be decrypted with the password");
  }
  return false;
}

bool Certificate::readPkcs12(const std::string& bytes, const std::string* password, const config::FieldPath& path,
                             config::Violations& violations) {
  ERR_clear_error();
  const BioPtr bio = readingBio(bytes);
  const Pkcs12Ptr archive(d2i_PKCS12_bio(bio.get(), nullptr));
  if (archive == nullptr) {
    ERR_clear_error();
    violations.add(path, "not a PKCS #12 archive");
    return false;
  }
  const char* secret = password == nullptr ? nullptr : password->c_str();
  if (PKCS12_verify_mac(archive.get(), secret, -1) != 1 && PKCS12_verify_mac(archive.get(), "", -1) != 1) {
    ERR_clear_error();
    violations.add(path, password == nullptr ? "the archive is encrypted and there is no password"
                                             : "the archive cannot be decrypted with the password");
    return false;
  }
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  const int parsed = PKCS12_parse(archive.get(), secret, &key, &leaf, &others);
  key_.reset(key);
  leaf_.reset(leaf);
  intermediates_.reset(others);
  if (parsed != 1 || key_ == nullptr || leaf_ == nullptr) {
    const std::string error = takeErrorReason();
    violations.add(path, error.empty() ? "the archive holds no certificate with its private key"
                                       : absl::StrCat("the archive cannot be read: ", error));
    return false;
  }
  if (intermediates_ != nullptr && sk_X509_num(intermediates_.get()) == 0) {
    intermediates_.reset();
  }
  return true;
}

/** Of the commonest case, without decoding the certificate's key: an EC key whose point it holds as we write points. */
bool Certificate::isKeyOf(const X509& leaf, int curve) const {
  ASN1_OBJECT* type = nullptr;
  const unsigned char* point = nullptr;
  int length = 0;
  X509_ALGOR* algorithm = nullptr;
  if (X509_PUBKEY_get0_param(&type, &point, &length, &algorithm, X509_get_X509_PUBKEY(&leaf)) != 1 ||
      OBJ_obj2nid(type) != NID_X9_62_id_ecPublicKey) {
    return false;
  }
  int kind = V_ASN1_UNDEF;
  const void* named = nullptr;
  X509_ALGOR_get0(nullptr, &kind, &named, algorithm);
  if (kind != V_ASN1_OBJECT || OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(named)) != curve) {
    return false;
  }
  unsigned char ours[kLongestPoint];
  size_t size = 0;
  return EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY, ours, sizeof(ours), &size) == 1 &&
         size == static_cast<size_t>(length) && std::equal(ours, ours + size, point);
}

bool Certificate::checkKey(const config::FieldPath& key_path, const config::FieldPath& chain_path,
                           config::Violations& violations) {
  const int type = EVP_PKEY_base_id(key_.get());
  char curve[64] = "";
  if (type == EVP_PKEY_EC) {
    size_t length = 0;
    EVP_PKEY_get_group_name(key_.get(), curve, sizeof(curve), &length);
    curve_ = OBJ_txt2nid(curve);
  }
  const bool belongs =
      (type == EVP_PKEY_EC && isKeyOf(*leaf_, curve_)) || X509_check_private_key(&whole(), key_.get()) == 1;
  ERR_clear_error();
  if (!belongs) {
    violations.add(key_path, "private_key does not belong to the certificate");
    return false;
  }
  switch (type) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      const int bits = EVP_PKEY_bits(key_.get());
      if (bits < kLeastRsaBits) {
        violations.add(chain_path, absl::StrCat("its RSA key has ", bits, " bits, fewer than the ", kLeastRsaBits,
                                                " that are needed at least"));
        return false;
      }
      if (bits > kMostRsaBits) {
        violations.add(chain_path, absl::StrCat("its RSA key has ", bits, " bits, more than the ", kMostRsaBits,
                                                " that are supported: each handshake would hold up a worker for long"));
        return false;
      }
      key_type_ = KeyType::Rsa;
      return true;
    }
    case EVP_PKEY_EC: {
      if (curve_ != NID_X9_62_prime256v1 && curve_ != NID_secp384r1 && curve_ != NID_secp521r1) {
        violations.add(chain_path, absl::StrCat("its ECDSA key is of the curve '", curve,
                                                "': only P-256, P-384 and P-521 are supported"));
        return false;
      }
      key_type_ = KeyType::Ecdsa;
      return true;
    }
    default:
      violations.add(chain_path, "its key is neither RSA nor ECDSA");
      return false;
  }
}

X509& Certificate::whole() const {
  std::call_once(whole_made_, [this] {
    whole_ = withPublicKey(*leaf_);
    // The extensions are worked out with first use, too, under a lock.
    X509_check_purpose(whole_.get(), -1, 0);
  });
  return *whole_;
}

void Certificate::readLeaf() {
  for (SubjectAltName& name : subjectAltNames(*leaf_)) {
    if (name.type == GEN_DNS) {
      names_.push_back(absl::AsciiStrToLower(name.value));
    }
  }
  if (names_.empty()) {
    std::string name = absl::AsciiStrToLower(commonName(*leaf_));
    if (!name.empty()) {
      names_.push_back(std::move(name));
    }
  }
  must_staple_ = X509_get_ext_by_NID(leaf_.get(), NID_tlsfeature, -1) >= 0;
}

}  // namespace sluice::tls
