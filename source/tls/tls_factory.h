#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "source/event/dispatcher.h"
#include "source/net/transport_socket.h"
#include "source/tls/context.h"
#include "source/tls/context_publisher.h"
#include "source/tls/secret_provider.h"

namespace sluice::tls {

/** What a factory's contexts are made of, time and again. */
struct ContextParts {
  std::shared_ptr<const Settings> settings;
  /** With the name that statistics of the certificate carry. */
  struct Identity {
    SecretSource::Provider<Certificate> provider;
    std::string name;
  };
  std::vector<Identity> identities;
  /** Null where there are none; with a name for statistics, too. */
  SecretSource::Provider<ValidationContext> validation;
  std::string validation_name;
  SecretSource::Provider<SessionTicketKeys> ticket_keys;
};

/**
 * Makes the TLS transport sockets of a filter chain or a cluster. New connections get the newest context; those that are
 * there keep theirs. While a secret is missing they are closed, with a reason; a secret that does not fit leaves the
 * context as it was. Made on main, where it follows its secrets and dies; create() on any worker.
 */
class TlsFactory final : public net::TransportSocketFactory {
 public:
  /** The error says why the secrets that are there already do not make a context. */
  static absl::StatusOr<std::shared_ptr<const net::TransportSocketFactory>> make(
      event::Dispatcher& main, const std::shared_ptr<ContextPublisher>& publisher, ContextParts parts,
      std::shared_ptr<const TlsStats> stats, const config::ContentKey& structural_key);
  ~TlsFactory() override;

  std::unique_ptr<net::TransportSocket> create(const net::TransportSocketTarget& target) const override;
  bool readsOptions() const override { return !parts_.settings->server; }
  bool isTls() const override { return true; }
  const config::ContentKey& structuralKey() const override { return structural_key_; }

 private:
  TlsFactory(event::Dispatcher& main, const std::shared_ptr<ContextPublisher>& publisher, ContextParts parts,
             std::shared_ptr<const TlsStats> stats, const config::ContentKey& structural_key);

  /** Follows the secrets for the factory; main's, so that a callback meets it alive or not at all. */
  struct Follower;

  /** Null while a secret is missing. */
  static absl::StatusOr<std::shared_ptr<const Context>> build(event::Dispatcher& main, const ContextParts& parts,
                                                              const std::shared_ptr<const TlsStats>& stats);

  const ContextParts parts_;
  const std::shared_ptr<const TlsStats> stats_;
  const config::ContentKey structural_key_;
  /** Outlives the workers; the weak one is for this factory's own end. */
  const ContextPublisher& publisher_;
  std::shared_ptr<Follower> follower_;
  uint64_t id_ = 0;
  /** What there was from the beginning; null where it came later. */
  std::shared_ptr<const Context> first_;
};

}  // namespace sluice::tls
