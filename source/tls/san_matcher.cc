#include "source/tls/san_matcher.h"

#include <memory>

#include "absl/strings/str_cat.h"

#include "source/matcher/config.h"

namespace sluice::tls {
namespace {

using Proto = envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;

int typeOf(Proto::SanType type) {
  switch (type) {
    case Proto::EMAIL:
      return GEN_EMAIL;
    case Proto::DNS:
      return GEN_DNS;
    case Proto::URI:
      return GEN_URI;
    case Proto::IP_ADDRESS:
      return GEN_IPADD;
    case Proto::OTHER_NAME:
      return GEN_OTHERNAME;
    default:
      return -1;
  }
}

}  // namespace

SanMatcher SanMatcher::of(const Proto& message, const config::FieldPath& path, config::Violations& violations) {
  SanMatcher made = ofAnyKind(message.matcher(), path.field("matcher"), violations);
  made.type_ = typeOf(message.san_type());
  if (made.type_ < 0) {
    violations.add(path.field("san_type"), "names no kind of subject alternative name");
  }
  if (made.type_ == GEN_OTHERNAME) {
    const std::unique_ptr<ASN1_OBJECT, FreeWith<ASN1_OBJECT_free>> object(OBJ_txt2obj(message.oid().c_str(), 0));
    if (message.oid().empty()) {
      violations.add(path.field("oid"), "is required for OTHER_NAME");
    } else if (object == nullptr) {
      violations.add(path.field("oid"), absl::StrCat("'", message.oid(), "' is no object identifier"));
    } else {
      char text[128] = "";
      OBJ_obj2txt(text, sizeof(text), object.get(), 1);
      made.oid_ = text;
    }
  } else if (!message.oid().empty()) {
    violations.add(path.field("oid"), "is for OTHER_NAME only");
  }
  return made;
}

SanMatcher SanMatcher::ofAnyKind(const envoy::type::matcher::v3::StringMatcher& message, const config::FieldPath& path,
                                 config::Violations& violations) {
  SanMatcher made;
  made.matcher_ = matcher::toStringMatcher(message, {}, path, violations);
  return made;
}

bool SanMatcher::matches(const SubjectAltName& name) const {
  if (type_ < 0 ? name.type == GEN_OTHERNAME : name.type != type_) {
    return false;
  }
  if (name.type == GEN_OTHERNAME && name.oid != oid_) {
    return false;
  }
  // A wildcard of the certificate covers what is asked for exactly.
  if (name.type == GEN_DNS && matcher_.kind == matcher::StringMatcher::Kind::Exact) {
    return dnsNameCovers(name.value, matcher_.text);
  }
  return matcher_.matches(name.value);
}

bool SanMatcher::matches(const std::vector<SubjectAltName>& names) const {
  for (const SubjectAltName& name : names) {
    if (matches(name)) {
      return true;
    }
  }
  return false;
}

bool coversAny(const std::vector<SubjectAltName>& names, const std::vector<std::string>& wanted) {
  for (const SubjectAltName& name : names) {
    for (const std::string& one : wanted) {
      const bool covers = name.type == GEN_DNS ? dnsNameCovers(name.value, one)
                                               : (name.type == GEN_URI || name.type == GEN_IPADD) && name.value == one;
      if (covers) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace sluice::tls
