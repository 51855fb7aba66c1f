#pragma once

#include <string>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/matcher/string_matcher.h"
#include "source/tls/certificate_details.h"

namespace sluice::tls {

/** Asks a certificate's subject alternative names for one. Immutable, any thread. */
class SanMatcher {
 public:
  static SanMatcher of(const envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher& message,
                       const config::FieldPath& path, config::Violations& violations);
  /** Of the deprecated match_subject_alt_names: names of any kind. */
  static SanMatcher ofAnyKind(const envoy::type::matcher::v3::StringMatcher& message, const config::FieldPath& path,
                              config::Violations& violations);

  bool matches(const std::vector<SubjectAltName>& names) const;

 private:
  bool matches(const SubjectAltName& name) const;

  /** GEN_DNS and so on; negative is any. */
  int type_ = -1;
  std::string oid_;
  matcher::StringMatcher matcher_;
};

/** Whether one of `wanted` is a name of the certificate: a DNS name (by its wildcards, too), a URI or an IP address. */
bool coversAny(const std::vector<SubjectAltName>& names, const std::vector<std::string>& wanted);

}  // namespace sluice::tls
