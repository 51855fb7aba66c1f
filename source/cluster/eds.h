#pragma once

#include <memory>
#include <optional>
#include <string>

#include "source/cluster/endpoint_source.h"
#include "source/config/canonical_key.h"
#include "source/xds/subscription.h"

namespace sluice::cluster {

/** The endpoints of one cluster from EDS. A resource that is refused leaves the endpoints of the last good one. */
class EdsSource final : public EndpointSource, private xds::ResourceWatcher {
 public:
  /** `source` is only used inside start(). */
  EdsSource(std::string cluster_name, std::string service_name, std::string stat_prefix,
            std::shared_ptr<const envoy::config::core::v3::ConfigSource> source,
            xds::SubscriptionFactory& subscriptions, Callbacks& callbacks);

  absl::Status start() override;
  std::string waitsFor() const override;

 private:
  void onUpdate(xds::Update update, xds::UpdateDone done) override;
  void onFetchFailure(xds::FetchFailure reason) override;
  void becomeWarm();

  const std::string cluster_name_;
  const std::string service_name_;
  const std::string stat_prefix_;
  std::shared_ptr<const envoy::config::core::v3::ConfigSource> source_;
  xds::SubscriptionFactory& subscriptions_;
  Callbacks& callbacks_;
  /** Of the assignment that is in use: an equal one in other bytes is no news. */
  std::optional<config::ContentKey> key_;
  bool warm_ = false;
  std::unique_ptr<xds::Subscription> subscription_;
};

}  // namespace sluice::cluster
