#include "source/tls/spiffe_domains.h"

#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

#include "source/config/data_source.h"

namespace sluice::tls {
namespace {

constexpr absl::string_view kScheme = "spiffe://";

const google::protobuf::Value* member(const google::protobuf::Struct& object, const char* name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

}  // namespace

std::unique_ptr<const SpiffeDomains> SpiffeDomains::create(const Proto& message, const config::FieldPath& path,
                                                           config::Violations& violations) {
  const size_t mistakes_before = violations.size();
  auto made = std::make_unique<SpiffeDomains>();
  if (message.has_trust_bundles()) {
    const config::FieldPath at = path.field("trust_bundles");
    const std::optional<std::string> json = config::readDataSource(message.trust_bundles(), at, violations);
    if (json.has_value()) {
      made->addBundles(*json, at, violations);
    }
  } else if (message.trust_domains_size() == 0) {
    violations.add(path.field("trust_domains"), "at least one trust domain, or trust_bundles, is needed");
  }
  for (int i = 0; !message.has_trust_bundles() && i < message.trust_domains_size(); ++i) {
    const config::FieldPath at = path.field("trust_domains").index(i);
    const auto& domain = message.trust_domains(i);
    const std::optional<std::string> ca =
        config::readDataSource(domain.trust_bundle(), at.field("trust_bundle"), violations);
    if (!ca.has_value()) {
      continue;
    }
    auto store = TrustStore::create(*ca, "");
    if (!store.ok()) {
      violations.add(at.field("trust_bundle"), std::string(store.status().message()));
    } else if (!made->domains_.emplace(domain.name(), *std::move(store)).second) {
      violations.add(at.field("name"), absl::StrCat("there is another trust domain '", domain.name(), "'"));
    }
  }
  return violations.size() == mistakes_before ? std::move(made) : nullptr;
}

void SpiffeDomains::addBundles(const std::string& json, const config::FieldPath& path, config::Violations& violations) {
  google::protobuf::Struct bundles;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &bundles);
  if (!parsed.ok()) {
    violations.add(path, absl::StrCat("not a SPIFFE bundle map: ", std::string(parsed.message())));
    return;
  }
  const google::protobuf::Value* domains = member(bundles, "trust_domains");
  if (domains == nullptr || !domains->has_struct_value() || domains->struct_value().fields().empty()) {
    violations.add(path, "not a SPIFFE bundle map: it has no trust_domains");
    return;
  }
  for (const auto& [name, bundle] : domains->struct_value().fields()) {
    const google::protobuf::Value* keys = member(bundle.struct_value(), "keys");
    std::vector<std::string> certificates;
    for (int i = 0; keys != nullptr && i < keys->list_value().values_size(); ++i) {
      const google::protobuf::Struct& key = keys->list_value().values(i).struct_value();
      const google::protobuf::Value* use = member(key, "use");
      if (use == nullptr || use->string_value() != "x509-svid") {
        continue;
      }
      const google::protobuf::Value* chain = member(key, "x5c");
      for (int j = 0; chain != nullptr && j < chain->list_value().values_size(); ++j) {
        std::string der;
        if (!absl::Base64Unescape(chain->list_value().values(j).string_value(), &der)) {
          violations.add(path, absl::StrCat("a certificate of the trust domain '", name, "' is no base64"));
          return;
        }
        certificates.push_back(std::move(der));
      }
    }
    if (certificates.empty()) {
      violations.add(path, absl::StrCat("the trust domain '", name, "' has no key for x509-svid with certificates"));
      continue;
    }
    auto store = TrustStore::createFromDer(certificates);
    if (store.ok()) {
      domains_.emplace(name, *std::move(store));
    } else {
      violations.add(path, absl::StrCat("the trust domain '", name, "': ", store.status().message()));
    }
  }
}

const TrustStore* SpiffeDomains::storeFor(X509& leaf, const std::vector<SubjectAltName>& names,
                                          std::string& reason) const {
  const uint32_t usage = X509_get_key_usage(&leaf);
  const bool has_usage = (X509_get_extension_flags(&leaf) & EXFLAG_KUSAGE) != 0;
  if ((X509_get_extension_flags(&leaf) & EXFLAG_CA) != 0 ||
      (has_usage && (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)) {
    reason = "verify cert failed: cert precheck";
    return nullptr;
  }
  for (const SubjectAltName& name : names) {
    if (name.type != GEN_URI || !absl::StartsWithIgnoreCase(name.value, kScheme)) {
      continue;
    }
    absl::string_view domain = absl::string_view(name.value).substr(kScheme.size());
    domain = domain.substr(0, domain.find('/'));
    const auto found = domains_.find(std::string(domain));
    if (found != domains_.end()) {
      return found->second.get();
    }
    break;
  }
  reason = "verify cert failed: no trust bundle store";
  return nullptr;
}

std::vector<const TrustStore*> SpiffeDomains::stores() const {
  std::vector<const TrustStore*> out;
  for (const auto& [name, store] : domains_) {
    out.push_back(store.get());
  }
  return out;
}

}  // namespace sluice::tls
