#include "source/tls/certificate_details.h"

#include <arpa/inet.h>

#include <cstring>
#include <ctime>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <openssl/pem.h>
#include <openssl/sha.h>

namespace sluice::tls {
namespace {

absl::string_view textOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string oidText(const ASN1_OBJECT* object) {
  char text[128];
  const int length = OBJ_obj2txt(text, sizeof(text), object, 1);
  return length > 0 ? std::string(text, std::min<size_t>(length, sizeof(text) - 1)) : std::string();
}

std::string ipText(absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if ((bytes.size() != 4 && bytes.size() != 16) || ::inet_ntop(family, bytes.data(), text, sizeof(text)) == nullptr) {
    return "";
  }
  return text;
}

std::string otherNameText(const ASN1_TYPE& value) {
  switch (value.type) {
    case V_ASN1_BOOLEAN:
      return value.value.boolean != 0 ? "true" : "false";
    case V_ASN1_ENUMERATED:
    case V_ASN1_INTEGER: {
      BIGNUM* number = value.type == V_ASN1_INTEGER ? ASN1_INTEGER_to_BN(value.value.integer, nullptr)
                                                    : ASN1_ENUMERATED_to_BN(value.value.enumerated, nullptr);
      if (number == nullptr) {
        return "";
      }
      char* digits = BN_bn2dec(number);
      std::string text = digits == nullptr ? "" : digits;
      OPENSSL_free(digits);
      BN_free(number);
      return text;
    }
    case V_ASN1_OBJECT:
      return oidText(value.value.object);
    case V_ASN1_NULL:
      return "NULL";
    default: {
      if (value.value.asn1_string == nullptr) {
        return "";
      }
      unsigned char* utf8 = nullptr;
      const int length = ASN1_STRING_to_UTF8(&utf8, value.value.asn1_string);
      if (length < 0) {
        return std::string(textOf(value.value.asn1_string));
      }
      std::string text(reinterpret_cast<char*>(utf8), length);
      OPENSSL_free(utf8);
      return text;
    }
  }
}

std::string digestText(const X509& certificate, const EVP_MD* kind) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  X509_digest(&certificate, kind, digest, &length);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), length});
}

std::string pemText(X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), &certificate);
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, length);
}

/** As Envoy escapes it: what is not unreserved. */
std::string urlEscaped(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

std::vector<std::string> extensionOids(const X509& certificate) {
  std::set<std::string> oids;
  for (int i = 0; i < X509_get_ext_count(&certificate); ++i) {
    oids.insert(oidText(X509_EXTENSION_get_object(X509_get_ext(&certificate, i))));
  }
  return {oids.begin(), oids.end()};
}

}  // namespace

std::vector<SubjectAltName> subjectAltNames(const X509& certificate) {
  std::vector<SubjectAltName> out;
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS:
      case GEN_URI:
      case GEN_EMAIL: {
        const absl::string_view text = textOf(name->d.ia5);
        if (!absl::StrContains(text, '\0')) {
          out.push_back({name->type, std::string(text), ""});
        }
        break;
      }
      case GEN_IPADD: {
        std::string text = ipText(textOf(name->d.iPAddress));
        if (!text.empty()) {
          out.push_back({name->type, std::move(text), ""});
        }
        break;
      }
      case GEN_OTHERNAME:
        out.push_back({name->type, otherNameText(*name->d.otherName->value), oidText(name->d.otherName->type_id)});
        break;
      default:
        break;
    }
  }
  return out;
}

std::string commonName(const X509& certificate) {
  const X509_NAME* name = X509_get_subject_name(&certificate);
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) {
    return "";
  }
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  if (length < 0) {
    return "";
  }
  std::string text(reinterpret_cast<char*>(utf8), length);
  OPENSSL_free(utf8);
  return absl::StrContains(text, '\0') ? "" : text;
}

std::string nameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, length);
}

std::string serialText(const X509& certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr);
  if (number == nullptr) {
    return "";
  }
  char* digits = BN_bn2hex(number);
  std::string text = digits == nullptr ? "" : absl::AsciiStrToLower(digits);
  OPENSSL_free(digits);
  BN_free(number);
  return text;
}

base::SystemTime systemTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return {};
  }
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

bool dnsNameCovers(absl::string_view name, absl::string_view host) {
  if (absl::EqualsIgnoreCase(name, host)) {
    return true;
  }
  if (!absl::StartsWith(name, "*.") || absl::StrContains(name.substr(1), '*')) {
    return false;
  }
  const size_t dot = host.find('.');
  return dot != absl::string_view::npos && dot > 0 && absl::EqualsIgnoreCase(name.substr(1), host.substr(dot));
}

net::CertificateDetails describeCertificate(X509& certificate, const STACK_OF(X509) * chain) {
  net::CertificateDetails details;
  details.subject = nameText(X509_get_subject_name(&certificate));
  details.issuer = nameText(X509_get_issuer_name(&certificate));
  details.serial = serialText(certificate);
  details.sha1 = digestText(certificate, EVP_sha1());
  details.sha256 = digestText(certificate, EVP_sha256());
  for (SubjectAltName& name : subjectAltNames(certificate)) {
    std::vector<std::string>& list = name.type == GEN_URI     ? details.uri_sans
                                     : name.type == GEN_DNS   ? details.dns_sans
                                     : name.type == GEN_IPADD ? details.ip_sans
                                     : name.type == GEN_EMAIL ? details.email_sans
                                                              : details.other_name_sans;
    list.push_back(std::move(name.value));
  }
  details.oids = extensionOids(certificate);
  details.valid_from = systemTime(X509_get0_notBefore(&certificate));
  details.expires = systemTime(X509_get0_notAfter(&certificate));
  details.pem = urlEscaped(pemText(certificate));
  const auto addToChain = [&details](X509& link) {
    details.chain_pem += urlEscaped(pemText(link));
    details.chain_sha1.push_back(digestText(link, EVP_sha1()));
    details.chain_sha256.push_back(digestText(link, EVP_sha256()));
    details.chain_serials.push_back(serialText(link));
  };
  if (chain == nullptr) {
    addToChain(certificate);
  }
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    addToChain(*sk_X509_value(chain, i));
  }
  return details;
}

}  // namespace sluice::tls
