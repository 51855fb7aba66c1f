#include "source/tls/tls_parameters.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include <openssl/err.h>

#include "source/tls/openssl_handles.h"

namespace sluice::tls {
namespace {

/** Ciphers that hide nothing, or from anybody who might be in between: not to be had by naming a group that has them. */
constexpr char kNeverThese[] = ":!aNULL:!eNULL";

/** OpenSSL's own name for one that is spelled as the RFCs do. */
std::string openSslName(absl::string_view name) {
  if (absl::StartsWith(name, "TLS_")) {
    const char* known = OPENSSL_cipher_name(std::string(name).c_str());
    // Those of TLS 1.3 are not chosen by this list, and have one name only.
    if (known != nullptr && !absl::StartsWith(known, "TLS_") && !absl::StartsWith(known, "(")) {
      return known;
    }
  }
  return std::string(name);
}

/** Asks OpenSSL about each entry alone, in a context that nobody else uses. */
template <class Set>
std::vector<std::string> unknownOf(const std::vector<std::string>& names, Set&& set) {
  std::vector<std::string> unknown;
  const SslCtxPtr scratch(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_security_level(scratch.get(), 0);
  for (const std::string& name : names) {
    if (name.empty() || absl::StrContains(name, ':') || set(scratch.get(), name.c_str()) != 1) {
      unknown.push_back(absl::StrCat("'", name, "'"));
    }
  }
  ERR_clear_error();
  return unknown;
}

absl::Status notKnown(absl::string_view what, const std::vector<std::string>& names) {
  return absl::InvalidArgumentError(absl::StrCat(names.size() == 1 ? "there is no " : "there are no ", what,
                                                 names.size() == 1 ? " " : "s ", absl::StrJoin(names, ", ")));
}

}  // namespace

CipherList defaultCiphers() {
  return {
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
      "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
      true};
}

std::string defaultGroups() { return "X25519:P-256"; }

absl::StatusOr<CipherList> readCiphers(const std::vector<std::string>& entries) {
  CipherList list;
  std::vector<std::string> all;
  std::vector<std::string> asked;
  std::vector<std::string> offered;
  for (const std::string& entry : entries) {
    // An entry may be a list by itself.
    for (absl::string_view part : absl::StrSplit(entry, ':', absl::SkipEmpty())) {
      const bool group = absl::ConsumePrefix(&part, "[");
      if (group != absl::ConsumeSuffix(&part, "]")) {
        return absl::InvalidArgumentError(absl::StrCat("'", entry, "' has a bracket without its other"));
      }
      bool chacha = false;
      bool aes = false;
      for (absl::string_view name : absl::StrSplit(part, '|')) {
        chacha = chacha || absl::StrContains(name, "CHACHA20");
        aes = aes || absl::StrContains(name, "AES");
        all.push_back(openSslName(name));
        // "!ADH" and "-ALL" take away from what is there: by itself none of them leaves anything.
        const bool takes_away = absl::StartsWith(name, "!") || absl::StartsWith(name, "-");
        asked.push_back(takes_away ? std::string(name.substr(1)) : all.back());
        if (!takes_away) {
          offered.push_back(all.back());
        }
      }
      list.client_chooses_chacha = list.client_chooses_chacha || (group && chacha && aes);
    }
  }
  std::vector<std::string> unknown = unknownOf(asked, SSL_CTX_set_cipher_list);
  if (!unknown.empty()) {
    return notKnown("cipher", unknown);
  }
  unknown = unknownOf(offered, [](SSL_CTX* ctx, const char* name) {
    return SSL_CTX_set_cipher_list(ctx, absl::StrCat(name, kNeverThese).c_str());
  });
  if (!unknown.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("without encryption or authentication: ", absl::StrJoin(unknown, ", ")));
  }
  list.text = absl::StrCat(absl::StrJoin(all, ":"), kNeverThese);
  const SslCtxPtr scratch(SSL_CTX_new(TLS_method()));
  if (SSL_CTX_set_cipher_list(scratch.get(), list.text.c_str()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("no cipher is left");
  }
  return list;
}

absl::StatusOr<std::string> readGroups(const std::vector<std::string>& names) {
  std::vector<std::string> unknown =
      unknownOf(names, [](SSL_CTX* ctx, const char* name) { return SSL_CTX_set1_groups_list(ctx, name); });
  if (!unknown.empty()) {
    return notKnown("curve", unknown);
  }
  return absl::StrJoin(names, ":");
}

absl::StatusOr<std::string> readSignatureAlgorithms(std::vector<std::string> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + i, names[i]) != names.begin() + i) {
      return absl::InvalidArgumentError(absl::StrCat("'", names[i], "' is there twice"));
    }
  }
  // OpenSSL knows it by the names of its parts alone.
  std::replace(names.begin(), names.end(), std::string("ecdsa_sha1"), std::string("ECDSA+SHA1"));
  std::vector<std::string> unknown =
      unknownOf(names, [](SSL_CTX* ctx, const char* name) { return SSL_CTX_set1_sigalgs_list(ctx, name); });
  if (!unknown.empty()) {
    return notKnown("signature algorithm", unknown);
  }
  return absl::StrJoin(names, ":");
}

const char* groupName(int nid) {
  switch (nid) {
    case NID_X25519:
      return "X25519";
    case NID_X9_62_prime256v1:
      return "P-256";
    case NID_secp384r1:
      return "P-384";
    case NID_secp521r1:
      return "P-521";
    case NID_secp224r1:
      return "P-224";
    case NID_X448:
      return "X448";
    default:
      return "";
  }
}

const char* signatureName(int key_nid, int digest_nid) {
  const int which = digest_nid == NID_sha256 ? 0 : digest_nid == NID_sha384 ? 1 : digest_nid == NID_sha512 ? 2 : 3;
  static constexpr const char* kPss[] = {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", ""};
  static constexpr const char* kPkcs1[] = {"rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512",
                                           "rsa_pkcs1_sha1"};
  static constexpr const char* kEcdsa[] = {"ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512",
                                           "ecdsa_sha1"};
  switch (key_nid) {
    case EVP_PKEY_RSA_PSS:
      return kPss[which];
    case EVP_PKEY_RSA:
      return kPkcs1[which];
    case EVP_PKEY_EC:
      return kEcdsa[which];
    case EVP_PKEY_ED25519:
      return "ed25519";
    default:
      return "";
  }
}

}  // namespace sluice::tls
