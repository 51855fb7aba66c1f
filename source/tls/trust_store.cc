#include "source/tls/trust_store.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include <openssl/err.h>

#include "source/tls/pem.h"

namespace sluice::tls {
namespace {

/** Below it are keys of fewer than 1024 bits and signatures over SHA-1. */
constexpr int kAuthorityLevel = 1;

/** By the bytes that they were made of: those that somebody holds. Main's alone. */
absl::flat_hash_map<config::ContentKey, std::weak_ptr<const TrustStore>>& known() {
  thread_local absl::flat_hash_map<config::ContentKey, std::weak_ptr<const TrustStore>> stores;
  return stores;
}

std::shared_ptr<const TrustStore> find(const config::ContentKey& key) {
  const auto found = known().find(key);
  return found == known().end() ? nullptr : found->second.lock();
}

void remember(const std::shared_ptr<const TrustStore>& store) {
  absl::erase_if(known(), [](const auto& entry) { return entry.second.expired(); });
  known()[store->key()] = store;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TrustStore>> TrustStore::create(absl::string_view ca, absl::string_view crl) {
  const config::ContentKey key = config::contentKey(absl::StrCat("pem:", ca.size(), ":", ca, crl));
  if (std::shared_ptr<const TrustStore> shared = find(key); shared != nullptr) {
    return shared;
  }
  PemCertificates trusted = readPemCertificates(ca);
  if (!trusted.good || trusted.certificates.empty()) {
    return absl::InvalidArgumentError(trusted.good || trusted.error.empty()
                                          ? "not a PEM certificate"
                                          : absl::StrCat("not a PEM certificate: ", trusted.error));
  }
  PemCertificates revoked = readPemCertificates(crl);
  if (!crl.empty() && (!revoked.good || revoked.crls.empty())) {
    return absl::FailedPreconditionError("not a PEM certificate revocation list");
  }
  std::shared_ptr<TrustStore> made(new TrustStore());
  made->key_ = key;
  const absl::Status added = made->addAuthorities(std::move(trusted.certificates));
  if (!added.ok()) {
    return added;
  }
  for (auto* list : {&trusted.crls, &revoked.crls}) {
    for (const X509CrlPtr& one : *list) {
      if (X509_STORE_add_crl(made->store_.get(), one.get()) != 1) {
        return absl::InvalidArgumentError(absl::StrCat("a revocation list cannot be used: ", takeErrorReason()));
      }
      made->has_crl_ = true;
    }
  }
  remember(made);
  return made;
}

absl::StatusOr<std::shared_ptr<const TrustStore>> TrustStore::createFromDer(
    const std::vector<std::string>& certificates) {
  std::string content = "der:";
  std::vector<X509Ptr> authorities;
  for (const std::string& der : certificates) {
    absl::StrAppend(&content, der.size(), ":", der);
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    authorities.emplace_back(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (authorities.back() == nullptr) {
      ERR_clear_error();
      return absl::InvalidArgumentError("not a DER certificate");
    }
  }
  const config::ContentKey key = config::contentKey(content);
  if (std::shared_ptr<const TrustStore> shared = find(key); shared != nullptr) {
    return shared;
  }
  std::shared_ptr<TrustStore> made(new TrustStore());
  made->key_ = key;
  const absl::Status added = made->addAuthorities(std::move(authorities));
  if (!added.ok()) {
    return added;
  }
  remember(made);
  return made;
}

absl::Status TrustStore::addAuthorities(std::vector<X509Ptr> authorities) {
  store_.reset(X509_STORE_new());
  // Intermediate authorities may be trusted by themselves, as Envoy has it.
  X509_STORE_set_flags(store_.get(), X509_V_FLAG_PARTIAL_CHAIN);
  for (const X509Ptr& one : authorities) {
    if (X509_STORE_add_cert(store_.get(), one.get()) != 1) {
      return absl::InvalidArgumentError(absl::StrCat("a trusted certificate cannot be used: ", takeErrorReason()));
    }
  }
  authorities_ = std::move(authorities);
  return absl::OkStatus();
}

TrustStore::Verdict TrustStore::verify(X509& leaf, STACK_OF(X509) * chain, const Options& options) const {
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  if (context == nullptr || X509_STORE_CTX_init(context.get(), store_.get(), &leaf, chain) != 1) {
    return {X509_V_ERR_OUT_OF_MEM, 0};
  }
  X509_STORE_CTX_set_default(context.get(), options.server ? "ssl_server" : "ssl_client");
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  unsigned long flags = 0;
  if (options.allow_expired) {
    flags |= X509_V_FLAG_NO_CHECK_TIME;
  }
  if (has_crl_) {
    flags |= X509_V_FLAG_CRL_CHECK | (options.crl_of_leaf_only ? 0 : X509_V_FLAG_CRL_CHECK_ALL);
  }
  X509_VERIFY_PARAM_set_flags(param, flags);
  X509_VERIFY_PARAM_set_auth_level(param, kAuthorityLevel);
  if (options.max_depth >= 0) {
    X509_VERIFY_PARAM_set_depth(param, options.max_depth);
  }
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (good) {
    return {};
  }
  const int error = X509_STORE_CTX_get_error(context.get());
  return {error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error, X509_STORE_CTX_get_error_depth(context.get())};
}

}  // namespace sluice::tls
