#include "source/tls/context.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/config/canonical_key.h"
#include "source/tls/certificate_details.h"
#include "source/tls/pem.h"
#include "source/tls/ssl_ctx.h"

namespace sluice::tls {
namespace {

enum class Stapling { Nothing, Staple, Refuse };

Stapling staplingOf(const Certificate& certificate, OcspPolicy policy, const Context::Offer& offer) {
  if (!offer.ocsp) {
    return Stapling::Nothing;
  }
  const auto& response = certificate.ocspStaple();
  if (response.has_value() && !response->expired(offer.now)) {
    return Stapling::Staple;
  }
  switch (certificate.mustStaple() ? OcspPolicy::MustStaple : policy) {
    case OcspPolicy::Lenient:
      return Stapling::Nothing;
    case OcspPolicy::Strict:
      return response.has_value() ? Stapling::Refuse : Stapling::Nothing;
    case OcspPolicy::MustStaple:
      return Stapling::Refuse;
  }
  return Stapling::Nothing;
}

}  // namespace

std::string alpnWire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (!protocol.empty() && protocol.size() <= 255) {
      wire.push_back(static_cast<char>(protocol.size()));
      wire += protocol;
    }
  }
  return wire;
}

Context::Context(std::shared_ptr<const Settings> settings, Materials materials, std::shared_ptr<const TlsStats> stats)
    : settings_(std::move(settings)),
      materials_(std::move(materials)),
      stats_(std::move(stats)),
      alpn_wire_(tls::alpnWire(settings_->alpn)),
      sessions_(settings_->server ? 0 : settings_->max_session_keys) {}

absl::StatusOr<std::unique_ptr<Context>> Context::create(std::shared_ptr<const Settings> settings, Materials materials,
                                                         std::shared_ptr<const TlsStats> stats) {
  std::unique_ptr<Context> made(new Context(std::move(settings), std::move(materials), std::move(stats)));
  absl::Status good = made->checkCertificates();
  if (!good.ok()) {
    return good;
  }
  const ValidationContext* validation = made->materials_.validation.get();
  if (made->settings_->auto_sni_san_validation && (validation == nullptr || !validation->verifiesChain())) {
    return absl::InvalidArgumentError("auto_sni_san_validation needs a validation context that says whom to trust");
  }
  auto ssl_ctx = sharedSslCtx(*made->settings_, validation);
  if (!ssl_ctx.ok()) {
    return ssl_ctx.status();
  }
  made->ssl_ctx_ = *std::move(ssl_ctx);
  if (validation != nullptr && validation->asksForCertificate()) {
    made->verify_mode_ = SSL_VERIFY_PEER;
  }
  if (made->settings_->server &&
      (made->settings_->require_client_certificate || (validation != nullptr && validation->demandsCertificate()))) {
    made->verify_mode_ = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  made->indexNames();
  made->identify();
  return made;
}

absl::Status Context::checkCertificates() const {
  if (!settings_->server) {
    return materials_.certificates.size() <= 1
               ? absl::OkStatus()
               : absl::InvalidArgumentError("a client presents one certificate, and there are several");
  }
  if (materials_.certificates.empty()) {
    return absl::InvalidArgumentError("a server needs a certificate, and there is none");
  }
  for (const auto& certificate : materials_.certificates) {
    if (certificate->ocspStaple().has_value()) {
      continue;
    }
    if (settings_->ocsp_policy == OcspPolicy::MustStaple) {
      return absl::InvalidArgumentError("ocsp_staple_policy MUST_STAPLE needs an OCSP response for each certificate");
    }
    if (certificate->mustStaple()) {
      return absl::InvalidArgumentError("a certificate that must be stapled has no OCSP response");
    }
  }
  return absl::OkStatus();
}

void Context::indexNames() {
  for (uint32_t place = 0; place < materials_.certificates.size(); ++place) {
    all_.push_back(place);
    for (const std::string& name : materials_.certificates[place]->names()) {
      std::vector<uint32_t>& places = by_name_[absl::StartsWith(name, "*.") ? name.substr(1) : name];
      if (places.empty() || places.back() != place) {
        places.push_back(place);
      }
    }
  }
}

void Context::identify() {
  std::string content;
  // A new certificate for the same names is who we were before: its sessions go on.
  for (const auto& certificate : materials_.certificates) {
    absl::StrAppend(&content, nameText(X509_get_subject_name(&certificate->leaf())), "\n");
    for (const SubjectAltName& name : subjectAltNames(certificate->leaf())) {
      absl::StrAppend(&content, name.type, ":", name.value, "\n");
    }
  }
  if (materials_.validation != nullptr) {
    absl::StrAppend(&content, materials_.validation->key().hex());
  }
  absl::StrAppend(&content, verify_mode_, ":", alpn_wire_);
  const std::string digest = sha256(content);
  std::memcpy(session_id_context_.data(), digest.data(), session_id_context_.size());
}

const Certificate* Context::select(const Offer& offer, bool& staple) const {
  Choice choice;
  if (offer.server_name.empty()) {
    consider(all_, offer, choice);
  } else {
    const std::string name = absl::AsciiStrToLower(offer.server_name);
    const size_t dot = name.find('.');
    bool chosen = considerNamed(name, offer, choice);
    if (!chosen && dot != std::string::npos && dot > 0) {
      chosen = considerNamed(name.substr(dot), offer, choice);
    }
    if (!chosen && settings_->full_scan_on_sni_mismatch) {
      consider(all_, offer, choice);
    } else if (!chosen && choice.certificate == nullptr) {
      consider({0}, offer, choice);
    }
  }
  staple = choice.staple;
  return choice.certificate;
}

bool Context::considerNamed(const std::string& name, const Offer& offer, Choice& choice) const {
  const auto found = by_name_.find(name);
  return found != by_name_.end() && consider(found->second, offer, choice);
}

bool Context::consider(const std::vector<uint32_t>& places, const Offer& offer, Choice& choice) const {
  for (const uint32_t place : places) {
    const Certificate& one = *materials_.certificates[place];
    const Stapling stapling = staplingOf(one, settings_->ocsp_policy, offer);
    if (stapling == Stapling::Refuse) {
      continue;
    }
    const bool is_ecdsa = one.keyType() == Certificate::KeyType::Ecdsa;
    const bool takes_ecdsa =
        offer.ecdsa && (!is_ecdsa || offer.curves.empty() ||
                        std::find(offer.curves.begin(), offer.curves.end(), one.curve()) != offer.curves.end());
    const bool fits = is_ecdsa == takes_ecdsa;
    // The key that fits best beats the order: ECDSA for those who know it, RSA for the others.
    if (fits || choice.certificate == nullptr ||
        (!is_ecdsa && choice.certificate->keyType() == Certificate::KeyType::Ecdsa)) {
      choice.certificate = &one;
      choice.staple = stapling == Stapling::Staple;
    }
    if (fits) {
      return true;
    }
  }
  return false;
}

}  // namespace sluice::tls
