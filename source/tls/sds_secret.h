#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/base/weak_ref.h"
#include "source/config/canonical_key.h"
#include "source/tls/secret_view.h"
#include "source/tls/shared_secret.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::tls {

/**
 * One secret over SDS, with the one subscription that all who name the same source, name and kind share. A bad one is
 * refused with its reason, and the last good one stays; so it does when the server takes it away. Dies on main, when
 * its last user has gone.
 */
class SdsSecret final : public SharedSecret, private xds::ResourceWatcher {
 public:
  /** `kind` is the field of Secret that it must have. */
  SdsSecret(const SecretParts& parts, stats::ScopePtr scope, std::string name, absl::string_view kind);

  /** `stat_prefix` is "sds.<name>.". Fails for a source of a kind that Sluice does not have. */
  absl::Status subscribe(xds::SubscriptionFactory& subscriptions, const envoy::config::core::v3::ConfigSource& source,
                         const std::string& stat_prefix);
  /** Ready with the first secret, good or bad, or with the word that none comes. */
  xds::InitTarget& first() { return first_; }
  SecretView view() const;

 private:
  void onUpdate(xds::Update update, xds::UpdateDone done) override;
  void onFetchFailure(xds::FetchFailure reason) override;
  void onUndecodable(const xds::ResourceError& error, absl::string_view version, bool first) override;

  bool take(const xds::Resource& resource, config::Violations& violations);
  void noteFailure(const xds::ResourceError& error, absl::string_view version);
  /**
   * Once what is made of the secret is on its way to the workers: contexts are made in the next turn and sent in the one
   * after (context_publisher.h). A listener that waits is not to reach a worker before its context does.
   */
  void readyOnceSent();

  event::Dispatcher& main_;
  const stats::ScopePtr scope_;
  const absl::string_view kind_;
  const base::SystemTime made_;
  xds::InitTarget first_;
  /** Of the secret in use. */
  std::optional<config::ContentKey> key_;
  std::string version_;
  std::optional<SecretView::Failure> failure_;
  std::unique_ptr<xds::Subscription> subscription_;
};

}  // namespace sluice::tls
