#include "source/tls/validation_context.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"

#include "source/config/data_source.h"
#include "source/tls/pem.h"
#include "source/tls/san_matcher.h"
#include "source/tls/spiffe_domains.h"
#include "source/tls/trust_store.h"

namespace sluice::tls {
namespace {

using SpiffeProto = envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig;

constexpr size_t kDigestBytes = 32;

/** Where systems keep the authorities that they trust; the first that is there is taken. */
constexpr const char* kSystemRoots[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

std::string spkiSha256(X509& certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
  if (length <= 0) {
    return "";
  }
  std::string digest = sha256({reinterpret_cast<char*>(der), static_cast<size_t>(length)});
  OPENSSL_free(der);
  return digest;
}

bool isHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string listed(const std::vector<SubjectAltName>& names) {
  return absl::StrJoin(names, ", ",
                       [](std::string* out, const SubjectAltName& name) { absl::StrAppend(out, name.value); });
}

}  // namespace

ValidationContext::ValidationContext() = default;
ValidationContext::~ValidationContext() = default;

std::shared_ptr<const ValidationContext> ValidationContext::create(const Proto& message, const config::FieldPath& path,
                                                                   config::Violations& violations) {
  const size_t mistakes_before = violations.size();
  std::shared_ptr<ValidationContext> made(new ValidationContext());
  const auto refuse = [&](bool has, absl::string_view field, const char* reason) {
    if (has) {
      violations.add(path.field(field), reason);
    }
  };
  refuse(message.has_ca_certificate_provider_instance(), "ca_certificate_provider_instance",
         "certificate providers are not supported");
  refuse(message.require_signed_certificate_timestamp().value(), "require_signed_certificate_timestamp",
         "signed certificate timestamps are not supported");
  made->readAuthorities(message, path, violations);
  made->readHashes(message, path, violations);
  for (int i = 0; i < message.match_typed_subject_alt_names_size(); ++i) {
    made->matchers_.push_back(SanMatcher::of(message.match_typed_subject_alt_names(i),
                                             path.field("match_typed_subject_alt_names").index(i), violations));
  }
  // The typed ones are in place of the others where both are there.
  for (int i = 0; message.match_typed_subject_alt_names_size() == 0 && i < message.match_subject_alt_names_size();
       ++i) {
    made->matchers_.push_back(SanMatcher::ofAnyKind(message.match_subject_alt_names(i),
                                                    path.field("match_subject_alt_names").index(i), violations));
  }
  made->allow_expired_ = message.allow_expired_certificate();
  made->accept_untrusted_ = message.trust_chain_verification() == Proto::ACCEPT_UNTRUSTED;
  made->crl_of_leaf_only_ = message.only_verify_leaf_cert_crl();
  if (message.has_max_verify_depth()) {
    // Envoy counts the authority that a chain ends at, and takes none of them for one; OpenSSL leaves it out.
    made->max_depth_ = static_cast<int>(std::clamp<uint32_t>(message.max_verify_depth().value(), 1, 100)) - 1;
  }
  if (!made->verifiesChain() && violations.size() == mistakes_before) {
    refuse(message.has_crl(), "crl", "there is no trusted_ca that revocation lists could be of");
    refuse(
        !made->matchers_.empty(),
        message.match_typed_subject_alt_names_size() > 0 ? "match_typed_subject_alt_names" : "match_subject_alt_names",
        "names of a peer's certificate mean nothing without trusted_ca");
    refuse(made->allow_expired_, "allow_expired_certificate", "without trusted_ca the validity is never looked at");
  }
  if (violations.size() != mistakes_before) {
    return nullptr;
  }
  // SPIFFE's validator takes nobody without an identity, as Envoy has it.
  made->demands_ =
      made->spiffe_ != nullptr ||
      (!made->accept_untrusted_ && (!made->matchers_.empty() || !made->hashes_.empty() || !made->spkis_.empty()));
  made->asks_ = made->verifiesChain() || !made->hashes_.empty() || !made->spkis_.empty();
  std::string content = config::canonicalBytes(message);
  if (made->store_ != nullptr) {
    absl::StrAppend(&content, made->store_->key().hex());
  }
  if (made->spiffe_ != nullptr) {
    for (const TrustStore* store : made->spiffe_->stores()) {
      absl::StrAppend(&content, store->key().hex());
    }
  }
  made->key_ = config::contentKey(content);
  return made;
}

void ValidationContext::readAuthorities(const Proto& message, const config::FieldPath& path,
                                        config::Violations& violations) {
  if (message.has_custom_validator_config()) {
    const config::FieldPath at = path.field("custom_validator_config").field("typed_config");
    const auto& any = message.custom_validator_config().typed_config();
    SpiffeProto proto;
    if (!any.Is<SpiffeProto>()) {
      violations.add(at, absl::StrCat("there is no certificate validator of the type '", any.type_url(), "'"));
    } else if (!any.UnpackTo(&proto)) {
      violations.add(at, "cannot be parsed");
    } else {
      spiffe_ = SpiffeDomains::create(proto, at, violations);
    }
    return;
  }
  std::optional<std::string> ca;
  std::string field = "trusted_ca";
  if (message.has_trusted_ca()) {
    ca = config::readDataSource(message.trusted_ca(), path.field(field), violations);
    location_ = message.trusted_ca().has_filename() ? message.trusted_ca().filename() : "<inline>";
    // To take it for none would be to trust everybody.
    if (ca.has_value() && ca->empty()) {
      violations.add(path.field(field), "must not be empty");
      return;
    }
  } else if (message.has_system_root_certs()) {
    field = "system_root_certs";
    for (const char* file : kSystemRoots) {
      config::Violations missing;
      ca = config::readFile(file, path.field(field), missing);
      if (ca.has_value()) {
        location_ = file;
        break;
      }
    }
    if (!ca.has_value()) {
      violations.add(path.field(field), "the system's trusted certificates are in none of the usual files");
    }
  }
  std::optional<std::string> crl;
  if (message.has_crl()) {
    crl = config::readDataSource(message.crl(), path.field("crl"), violations);
  }
  if (!ca.has_value() || (message.has_crl() && !crl.has_value())) {
    return;
  }
  auto store = TrustStore::create(*ca, crl.value_or(""));
  if (store.ok()) {
    store_ = *std::move(store);
  } else {
    violations.add(path.field(absl::IsFailedPrecondition(store.status()) ? "crl" : field),
                   std::string(store.status().message()));
  }
}

void ValidationContext::readHashes(const Proto& message, const config::FieldPath& path,
                                   config::Violations& violations) {
  for (int i = 0; i < message.verify_certificate_hash_size(); ++i) {
    const std::string text = absl::StrReplaceAll(message.verify_certificate_hash(i), {{":", ""}});
    if (text.size() != 2 * kDigestBytes || !isHex(text)) {
      violations.add(path.field("verify_certificate_hash").index(i), "not a SHA-256 in hexadecimal");
    } else {
      hashes_.push_back(absl::HexStringToBytes(text));
    }
  }
  for (int i = 0; i < message.verify_certificate_spki_size(); ++i) {
    std::string digest;
    if (!absl::Base64Unescape(message.verify_certificate_spki(i), &digest) || digest.size() != kDigestBytes) {
      violations.add(path.field("verify_certificate_spki").index(i), "not a SHA-256 in base64");
    } else {
      spkis_.push_back(std::move(digest));
    }
  }
}

bool ValidationContext::hashMatches(X509& leaf) const {
  if (!hashes_.empty() && std::find(hashes_.begin(), hashes_.end(), certificateSha256(leaf)) != hashes_.end()) {
    return true;
  }
  return !spkis_.empty() && std::find(spkis_.begin(), spkis_.end(), spkiSha256(leaf)) != spkis_.end();
}

ValidationContext::Verdict ValidationContext::verify(X509& leaf, STACK_OF(X509) * chain, const Demands& demands) const {
  Verdict verdict;
  const auto fail = [&](Failure failure, int error, std::string details) {
    verdict.failure = failure;
    verdict.error = error;
    verdict.details = std::move(details);
    verdict.accepted = accept_untrusted_;
    return verdict;
  };
  const bool demands_names = demands.names != nullptr && !demands.names->empty();
  std::vector<SubjectAltName> names;
  if (spiffe_ != nullptr || !matchers_.empty() || demands_names || !demands.sni.empty()) {
    names = subjectAltNames(leaf);
  }
  const TrustStore* store = store_.get();
  if (spiffe_ != nullptr) {
    std::string reason;
    store = spiffe_->storeFor(leaf, names, reason);
    if (store == nullptr) {
      return fail(Failure::Chain, X509_V_ERR_CERT_UNTRUSTED, std::move(reason));
    }
  }
  if (store != nullptr) {
    const TrustStore::Verdict traced =
        store->verify(leaf, chain, {demands.server, allow_expired_, crl_of_leaf_only_, max_depth_});
    if (traced.error != X509_V_OK) {
      return fail(Failure::Chain, traced.error,
                  absl::StrCat("verify cert failed: X509_verify_cert: certificate verification error at depth ",
                               traced.depth, ": ", X509_verify_cert_error_string(traced.error)));
    }
  }
  bool checked = store != nullptr;
  if (demands_names) {
    checked = true;
    if (!coversAny(names, *demands.names)) {
      return fail(Failure::San, X509_V_ERR_HOSTNAME_MISMATCH,
                  absl::StrCat("verify cert failed: verify SAN list, expected SANs: [",
                               absl::StrJoin(*demands.names, ", "), "], certificate SANs: [", listed(names), "]"));
    }
  }
  if (!demands.sni.empty()) {
    checked = true;
    if (!coversAny(names, {demands.sni})) {
      return fail(Failure::San, X509_V_ERR_HOSTNAME_MISMATCH,
                  absl::StrCat("verify cert failed: SAN matcher, certificate SANs are [", listed(names), "]"));
    }
  } else if (!matchers_.empty()) {
    checked = true;
    if (std::none_of(matchers_.begin(), matchers_.end(), [&](const SanMatcher& one) { return one.matches(names); })) {
      return fail(Failure::San, X509_V_ERR_HOSTNAME_MISMATCH,
                  absl::StrCat("verify cert failed: SAN matcher, certificate SANs are [", listed(names), "]"));
    }
  }
  if (!hashes_.empty() || !spkis_.empty()) {
    checked = true;
    if (!hashMatches(leaf)) {
      return fail(Failure::Hash, X509_V_ERR_CERT_REJECTED, "verify cert failed: cert hash and spki");
    }
  }
  verdict.accepted = true;
  verdict.validated = checked;
  return verdict;
}

std::vector<X509*> ValidationContext::authorities() const {
  std::vector<X509*> out;
  const auto add = [&out](const TrustStore& store) {
    for (const X509Ptr& one : store.authorities()) {
      out.push_back(one.get());
    }
  };
  if (store_ != nullptr) {
    add(*store_);
  }
  if (spiffe_ != nullptr) {
    for (const TrustStore* store : spiffe_->stores()) {
      add(*store);
    }
  }
  return out;
}

}  // namespace sluice::tls
