#include "source/cluster/eds.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/config_source.pb.h"

#include "source/base/logging.h"

namespace sluice::cluster {

EdsSource::EdsSource(std::string cluster_name, std::string service_name, std::string stat_prefix,
                     std::shared_ptr<const envoy::config::core::v3::ConfigSource> source,
                     xds::SubscriptionFactory& subscriptions, Callbacks& callbacks)
    : cluster_name_(std::move(cluster_name)),
      service_name_(std::move(service_name)),
      stat_prefix_(std::move(stat_prefix)),
      source_(std::move(source)),
      subscriptions_(subscriptions),
      callbacks_(callbacks) {}

absl::Status EdsSource::start() {
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
      subscriptions_.subscribe(*source_, xds::kEndpointType, {service_name_}, stat_prefix_, *this);
  if (!subscription.ok()) {
    return subscription.status();
  }
  subscription_ = *std::move(subscription);
  source_.reset();
  return absl::OkStatus();
}

std::string EdsSource::waitsFor() const {
  return service_name_ == cluster_name_ ? absl::StrCat("EDS endpoints of ", cluster_name_)
                                        : absl::StrCat("EDS endpoints ", service_name_, " of ", cluster_name_);
}

void EdsSource::onUpdate(xds::Update update, xds::UpdateDone done) {
  const ClusterStats& stats = callbacks_.sourceStats(*this);
  xds::Resource* mine = nullptr;
  for (xds::Resource& resource : update.resources) {
    if (resource.name == service_name_) {
      mine = &resource;
    }
  }
  if (mine == nullptr) {
    // Endpoints are never taken back by leaving them out: a cluster that has none is said to have none.
    stats.update_empty.inc();
    done({});
    becomeWarm();
    return;
  }
  if (mine->key == key_) {
    stats.update_no_rebuild.inc();
    done({});
    return;
  }
  config::Violations violations;
  EndpointList list = readAssignment(std::static_pointer_cast<const Assignment>(mine->message), {.unique = true},
                                     config::FieldPath(), violations);
  if (!violations.empty()) {
    LOG_WARNING(upstream, "cluster '{}': the endpoints '{}' of version '{}' are refused: {}", cluster_name_,
                service_name_, update.version, violations.toString());
    std::vector<xds::ResourceError> errors;
    errors.push_back({mine->name, std::move(violations)});
    done(std::move(errors));
    becomeWarm();
    return;
  }
  key_ = mine->key;
  callbacks_.onEndpoints(*this, std::move(list));
  done({});
  becomeWarm();
}

void EdsSource::onFetchFailure(xds::FetchFailure reason) {
  if (!warm_) {
    LOG_WARNING(upstream, "cluster '{}' goes on without endpoints: '{}' {}", cluster_name_, service_name_,
                reason == xds::FetchFailure::Timeout ? "did not come in time" : "could not be had");
  }
  becomeWarm();
}

void EdsSource::becomeWarm() {
  if (!std::exchange(warm_, true)) {
    callbacks_.onWarm(*this);
  }
}

}  // namespace sluice::cluster
