#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "google/protobuf/repeated_field.h"

#include "source/config/canonical_key.h"
#include "source/tls/secret_provider.h"
#include "source/tls/secret_view.h"
#include "source/tls/shared_secret.h"
#include "source/xds/subscription.h"

namespace sluice::tls {

class SdsSecret;
class StaticSecret;

/**
 * All secrets of the process: inline ones, those of the bootstrap, and those that come over SDS, each of which has one
 * subscription however many name it. Equal ones are parsed once. Main thread; owned by the server; outlives all that was
 * made with its secrets.
 */
class Secrets final : public SecretSource {
 public:
  using SecretProto = envoy::extensions::transport_sockets::tls::v3::Secret;

  /** All of them outlive this. */
  Secrets(event::Dispatcher& main, stats::Scope& root, xds::SubscriptionFactory& subscriptions,
          xds::FileWatcher& file_watcher);
  ~Secrets() override;
  Secrets(const Secrets&) = delete;

  /** The bootstrap's static_resources.secrets. Mistakes go to `violations`, each with its path from `path` on. Once. */
  void addStatic(const google::protobuf::RepeatedPtrField<SecretProto>& secrets, const config::FieldPath& path,
                 config::Violations& violations);

  Provider<Certificate> certificate(const Certificate::Proto& message, const config::FieldPath& path,
                                    config::Violations& violations) override;
  Provider<Certificate> certificate(const SdsSecretConfig& source, const config::FieldPath& path,
                                    xds::InitManager& init_manager, config::Violations& violations) override;
  Provider<ValidationContext> validation(const ValidationContext::Proto& message, const config::FieldPath& path,
                                         config::Violations& violations) override;
  Provider<ValidationContext> validation(const SdsSecretConfig& source, const ValidationContext::Proto* defaults,
                                         const config::FieldPath& path, xds::InitManager& init_manager,
                                         config::Violations& violations) override;
  Provider<SessionTicketKeys> ticketKeys(const SessionTicketKeys::Proto& message, const config::FieldPath& path,
                                         config::Violations& violations) override;
  Provider<SessionTicketKeys> ticketKeys(const SdsSecretConfig& source, const config::FieldPath& path,
                                         xds::InitManager& init_manager, config::Violations& violations) override;
  Provider<GenericSecret> generic(const SdsSecretConfig& source, const config::FieldPath& path,
                                  xds::InitManager& init_manager, config::Violations& violations) override;

  /** Those that have a name, from the first after the one of this key on ("" begins), until `visit` returns false. */
  void visit(const std::string& after, SecretVisitor visit) const;

  // What is in use, for the admin pages, as ContentCache::visit().
  const ContentCache<Certificate>& certificates() const { return contents_.certificates; }
  const ContentCache<ValidationContext>& validations() const { return contents_.validations; }

  /** Until the first certificate or authority in use expires; none if there is none. */
  std::optional<std::chrono::seconds> untilFirstExpires() const;

 private:
  template <class Content>
  Provider<Content> fromMessage(const typename Content::Proto& message, const config::FieldPath& path,
                                config::Violations& violations);
  template <class Content>
  Provider<Content> fromSource(const SdsSecretConfig& source, const typename Content::Proto* defaults,
                               const config::FieldPath& path, xds::InitManager& init_manager,
                               config::Violations& violations);
  template <class Content>
  bool pin(StaticSecret& secret, const config::FieldPath& path, config::Violations& violations);
  void add(const SecretProto& message, const config::FieldPath& path, config::Violations& violations);
  stats::ScopePtr scopeOf(absl::string_view name) const;

  event::Dispatcher& main_;
  stats::Scope& root_;
  xds::SubscriptionFactory& subscriptions_;
  ContentCaches contents_;
  const SecretParts parts_;
  std::map<std::string, std::shared_ptr<StaticSecret>> static_;
  /** By name, kind and source. */
  std::map<std::string, std::weak_ptr<SdsSecret>> dynamic_;
  size_t sweep_at_ = 64;
};

}  // namespace sluice::tls
