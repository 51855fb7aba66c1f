#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/net/tls_info.h"
#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/** One subject alternative name. */
struct SubjectAltName {
  /** GEN_DNS, GEN_URI, GEN_IPADD, GEN_EMAIL or GEN_OTHERNAME. */
  int type;
  std::string value;
  /** Of an other name, in dotted decimals. */
  std::string oid;
};
/** Those of the kinds above, in their order. Names with a NUL inside are left out: they are made to deceive. */
std::vector<SubjectAltName> subjectAltNames(const X509& certificate);

/** The subject's common name, empty where it has none. */
std::string commonName(const X509& certificate);
/** RFC 2253. */
std::string nameText(const X509_NAME* name);
/** Hexadecimal in lower case, without leading zeros. */
std::string serialText(const X509& certificate);
base::SystemTime systemTime(const ASN1_TIME* time);

/** Whether a certificate's DNS name, which may begin with "*.", is for `host`. Ignores case. */
bool dnsNameCovers(absl::string_view name, absl::string_view host);

/** All that is known of `certificate`; `chain` is what its owner sent, itself first, and may be null. */
net::CertificateDetails describeCertificate(X509& certificate, const STACK_OF(X509) * chain);

}  // namespace sluice::tls
