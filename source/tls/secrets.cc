#include "source/tls/secrets.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/config_source.pb.h"

#include "source/tls/certificate_details.h"
#include "source/tls/sds_secret.h"

namespace sluice::tls {
namespace {

/** So many entries may have expired before they are looked for. */
constexpr size_t kSmall = 64;

/** A secret that stays as it is. */
template <class Content>
class FixedSecret final : public SecretProvider<Content> {
 public:
  explicit FixedSecret(std::shared_ptr<const Content> content) : content_(std::move(content)) {}

  std::shared_ptr<const Content> content() const override { return content_; }
  base::CallbackHandlePtr onChange(std::function<void()> changed) override { return changed_.add(std::move(changed)); }

 private:
  const std::shared_ptr<const Content> content_;
  base::CallbackList<> changed_;
};

/** A secret of one kind, as SharedSecret takes it. */
std::shared_ptr<const SharedSecret::Message> wrap(const Certificate::Proto& message) {
  auto secret = std::make_shared<SharedSecret::Message>();
  *secret->mutable_tls_certificate() = message;
  return secret;
}
std::shared_ptr<const SharedSecret::Message> wrap(const ValidationContext::Proto& message) {
  auto secret = std::make_shared<SharedSecret::Message>();
  *secret->mutable_validation_context() = message;
  return secret;
}
std::shared_ptr<const SharedSecret::Message> wrap(const SessionTicketKeys::Proto& message) {
  auto secret = std::make_shared<SharedSecret::Message>();
  *secret->mutable_session_ticket_keys() = message;
  return secret;
}

/** Of all its certificates. */
base::SystemTime firstExpiry(const Certificate& certificate) {
  base::SystemTime first = systemTime(X509_get0_notAfter(&certificate.leaf()));
  for (int i = 0; i < sk_X509_num(certificate.intermediates()); ++i) {
    first = std::min(first, systemTime(X509_get0_notAfter(sk_X509_value(certificate.intermediates(), i))));
  }
  return first;
}

}  // namespace

/** A secret of the bootstrap. What is made of it without defaults is kept, so that it is checked though nobody uses it. */
class StaticSecret final : public SharedSecret {
 public:
  using SharedSecret::SharedSecret;
  std::shared_ptr<void> pinned;
};

Secrets::Secrets(event::Dispatcher& main, stats::Scope& root, xds::SubscriptionFactory& subscriptions,
                 xds::FileWatcher& file_watcher)
    : main_(main), root_(root), subscriptions_(subscriptions), parts_{main, file_watcher, contents_} {}

Secrets::~Secrets() {
  for (const auto& [name, secret] : static_) {
    secret->pinned.reset();
  }
}

stats::ScopePtr Secrets::scopeOf(absl::string_view name) const { return root_.createScope(absl::StrCat("sds.", name)); }

void Secrets::addStatic(const google::protobuf::RepeatedPtrField<SecretProto>& secrets, const config::FieldPath& path,
                        config::Violations& violations) {
  for (int i = 0; i < secrets.size(); ++i) {
    add(secrets[i], path.index(static_cast<size_t>(i)), violations);
  }
}

void Secrets::add(const SecretProto& message, const config::FieldPath& path, config::Violations& violations) {
  if (message.name().empty()) {
    violations.add(path.field("name"), "a secret needs a name");
    return;
  }
  if (static_.count(message.name()) > 0) {
    violations.add(path.field("name"), absl::StrCat("there is a secret '", message.name(), "' already"));
    return;
  }
  const absl::string_view kind = kindOf(message);
  auto secret =
      event::ownedBy(main_, std::make_unique<StaticSecret>(parts_, message.name(), SharedSecret::Watch::Named,
                                                           scopeOf(message.name())->counter("key_rotation_failed")));
  const config::FieldPath inside = path.field(kind);
  if (!secret->replace(std::make_shared<SecretProto>(message), inside, violations)) {
    return;
  }
  switch (message.type_case()) {
    case SecretProto::kTlsCertificate:
      secret->pinned = secret->use<Certificate>(nullptr, inside, violations);
      break;
    case SecretProto::kValidationContext:
      secret->pinned = secret->use<ValidationContext>(nullptr, inside, violations);
      break;
    case SecretProto::kSessionTicketKeys:
      secret->pinned = secret->use<SessionTicketKeys>(nullptr, inside, violations);
      break;
    case SecretProto::kGenericSecret:
      secret->pinned = secret->use<GenericSecret>(nullptr, inside, violations);
      break;
    case SecretProto::TYPE_NOT_SET:
      violations.add(path, absl::StrCat("the secret '", message.name(), "' is empty"));
      return;
  }
  static_.emplace(message.name(), std::move(secret));
}

template <class Content>
SecretSource::Provider<Content> Secrets::fromMessage(const typename Content::Proto& message,
                                                     const config::FieldPath& path, config::Violations& violations) {
  if (!KindOf<Content>::watched(message).directory.empty()) {
    auto secret = event::ownedBy(
        main_, std::make_unique<SharedSecret>(parts_, path.toString(), SharedSecret::Watch::Named,
                                              root_.createScope("inline_secrets")->counter("key_rotation_failed")));
    if (!secret->replace(wrap(message), path, violations)) {
      return nullptr;
    }
    return secret->template use<Content>(nullptr, path, violations);
  }
  std::shared_ptr<const Content> content =
      contents_.of(static_cast<const Content*>(nullptr)).make(message, path, violations);
  if (content == nullptr) {
    return nullptr;
  }
  return event::ownedBy(main_, std::make_unique<FixedSecret<Content>>(std::move(content)));
}

template <class Content>
SecretSource::Provider<Content> Secrets::fromSource(const SdsSecretConfig& source,
                                                    const typename Content::Proto* defaults,
                                                    const config::FieldPath& path, xds::InitManager& init_manager,
                                                    config::Violations& violations) {
  const std::string& name = source.name();
  const absl::string_view kind = KindOf<Content>::kField;
  if (!source.has_sds_config()) {
    const auto found = static_.find(name);
    if (found == static_.end()) {
      violations.add(path.field("name"), absl::StrCat("static_resources.secrets has no secret '", name,
                                                      "', and without sds_config it must be there"));
      return nullptr;
    }
    const absl::string_view found_kind = kindOf(*found->second->message());
    if (found_kind != kind) {
      violations.add(path.field("name"), absl::StrCat("the secret '", name, "' is a ", found_kind, ", not a ", kind));
      return nullptr;
    }
    return found->second->template use<Content>(defaults, path, violations);
  }
  if (name.empty()) {
    violations.add(path.field("name"), "a secret over SDS needs a name");
    return nullptr;
  }
  const std::string key = absl::StrCat(name, "\n", kind, "\n", config::contentKeyOf(source.sds_config()).hex());
  std::shared_ptr<SdsSecret> secret;
  if (const auto known = dynamic_.find(key); known != dynamic_.end()) {
    secret = known->second.lock();
  }
  if (secret != nullptr) {
    Provider<Content> provider = secret->template use<Content>(defaults, path, violations);
    if (provider != nullptr) {
      init_manager.add(secret->first());
    }
    return provider;
  }
  secret = event::ownedBy(main_, std::make_unique<SdsSecret>(parts_, scopeOf(name), name, kind));
  // First, so that what comes is held against what is made of it.
  Provider<Content> provider = secret->template use<Content>(defaults, path, violations);
  const absl::Status subscribed =
      secret->subscribe(subscriptions_, source.sds_config(), absl::StrCat("sds.", name, "."));
  if (!subscribed.ok()) {
    violations.add(path.field("sds_config"), std::string(subscribed.message()));
    return nullptr;
  }
  if (dynamic_.size() >= sweep_at_) {
    for (auto at = dynamic_.begin(); at != dynamic_.end();) {
      at = at->second.expired() ? dynamic_.erase(at) : std::next(at);
    }
    sweep_at_ = std::max(kSmall, 2 * dynamic_.size());
  }
  dynamic_[key] = secret;
  init_manager.add(secret->first());
  return provider;
}

SecretSource::Provider<Certificate> Secrets::certificate(const Certificate::Proto& message,
                                                         const config::FieldPath& path,
                                                         config::Violations& violations) {
  return fromMessage<Certificate>(message, path, violations);
}

SecretSource::Provider<Certificate> Secrets::certificate(const SdsSecretConfig& source, const config::FieldPath& path,
                                                         xds::InitManager& init_manager,
                                                         config::Violations& violations) {
  return fromSource<Certificate>(source, nullptr, path, init_manager, violations);
}

SecretSource::Provider<ValidationContext> Secrets::validation(const ValidationContext::Proto& message,
                                                              const config::FieldPath& path,
                                                              config::Violations& violations) {
  return fromMessage<ValidationContext>(message, path, violations);
}

SecretSource::Provider<ValidationContext> Secrets::validation(const SdsSecretConfig& source,
                                                              const ValidationContext::Proto* defaults,
                                                              const config::FieldPath& path,
                                                              xds::InitManager& init_manager,
                                                              config::Violations& violations) {
  return fromSource<ValidationContext>(source, defaults, path, init_manager, violations);
}

SecretSource::Provider<SessionTicketKeys> Secrets::ticketKeys(const SessionTicketKeys::Proto& message,
                                                              const config::FieldPath& path,
                                                              config::Violations& violations) {
  return fromMessage<SessionTicketKeys>(message, path, violations);
}

SecretSource::Provider<SessionTicketKeys> Secrets::ticketKeys(const SdsSecretConfig& source,
                                                              const config::FieldPath& path,
                                                              xds::InitManager& init_manager,
                                                              config::Violations& violations) {
  return fromSource<SessionTicketKeys>(source, nullptr, path, init_manager, violations);
}

SecretSource::Provider<GenericSecret> Secrets::generic(const SdsSecretConfig& source, const config::FieldPath& path,
                                                       xds::InitManager& init_manager, config::Violations& violations) {
  return fromSource<GenericSecret>(source, nullptr, path, init_manager, violations);
}

void Secrets::visit(const std::string& after, SecretVisitor visit) const {
  // Keys of the two kinds, one kind after the other: 's' sorts behind 'd'.
  constexpr char kDynamic = 'd';
  constexpr char kStatic = 's';
  if (after.empty() || after[0] == kDynamic) {
    for (auto at = after.empty() ? dynamic_.begin() : dynamic_.upper_bound(after.substr(1)); at != dynamic_.end();
         ++at) {
      const std::shared_ptr<SdsSecret> secret = at->second.lock();
      if (secret != nullptr && !visit(absl::StrCat(absl::string_view(&kDynamic, 1), at->first), secret->view())) {
        return;
      }
    }
  }
  const bool in_static = !after.empty() && after[0] == kStatic;
  for (auto at = in_static ? static_.upper_bound(after.substr(1)) : static_.begin(); at != static_.end(); ++at) {
    SecretView view;
    view.name = at->first;
    view.last_updated = at->second->lastUpdated();
    view.message = at->second->message();
    if (!visit(absl::StrCat(absl::string_view(&kStatic, 1), at->first), view)) {
      return;
    }
  }
}

std::optional<std::chrono::seconds> Secrets::untilFirstExpires() const {
  std::optional<base::SystemTime> first;
  std::set<const X509*> seen;
  const auto note = [&first](base::SystemTime expires) {
    first = first.has_value() ? std::min(*first, expires) : expires;
  };
  contents_.certificates.visit(nullptr, [&](const config::ContentKey&, const Certificate& certificate) {
    note(firstExpiry(certificate));
    return true;
  });
  contents_.validations.visit(nullptr, [&](const config::ContentKey&, const ValidationContext& validation) {
    const std::vector<X509*> authorities = validation.authorities();
    // Contexts of the same authorities share them.
    if (!authorities.empty() && seen.insert(authorities.front()).second) {
      for (const X509* authority : authorities) {
        note(systemTime(X509_get0_notAfter(authority)));
      }
    }
    return true;
  });
  if (!first.has_value()) {
    return std::nullopt;
  }
  return std::chrono::duration_cast<std::chrono::seconds>(*first - main_.systemNow());
}

}  // namespace sluice::tls
