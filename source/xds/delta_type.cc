#include "source/xds/delta_type.h"

#include <utility>

#include "source/base/logging.h"
#include "source/xds/resource_records.h"

namespace sluice::xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;

void DeltaType::nameAdded(const std::string& name) {
  // Asked for anew even where the server does not know that it was dropped: what came of it meanwhile went by.
  if (unsubscribe_.erase(name) > 0) {
    renewed_.insert(name);
  }
  subscribe_.insert(name);
}

void DeltaType::nameRemoved(const std::string& name) {
  if (subscribe_.erase(name) == 0 || renewed_.erase(name) > 0) {
    unsubscribe_.insert(name);
  }
}

void DeltaType::streamBegins() {
  // The first request says it all.
  forgetChanges();
}

void DeltaType::forgetChanges() {
  subscribe_.clear();
  unsubscribe_.clear();
  renewed_.clear();
}

bool DeltaType::interestToTell() const {
  // Without interest there must be no first request either: one without names would ask for everything.
  return asked() ? !subscribe_.empty() || !unsubscribe_.empty() : hasInterest();
}

DeltaDiscoveryRequest DeltaType::takeRequest(const ResourceRecords& held) {
  DeltaDiscoveryRequest request;
  request.set_type_url(typeUrl());
  if (std::optional<Answer> answer = takeAnswer()) {
    request.set_response_nonce(std::move(answer->nonce));
    if (answer->error.has_value()) {
      *request.mutable_error_detail() = *std::move(answer->error);
    }
  }
  if (!asked()) {
    held.forEachHeld([&](const Resource& resource) {
      if (wants(resource.name)) {
        (*request.mutable_initial_resource_versions())[resource.name] = resource.version;
      }
    });
    // A first request without names is the wildcard, as older servers know it; beside names it is spelt out.
    if (wildcard() && !names().empty()) {
      request.add_resource_names_subscribe(std::string(kWildcard));
    }
    for (const auto& [name, subscribers] : names()) {
      request.add_resource_names_subscribe(name);
    }
  } else {
    for (const std::string& name : subscribe_) {
      request.add_resource_names_subscribe(name);
    }
    for (const std::string& name : unsubscribe_) {
      request.add_resource_names_unsubscribe(name);
    }
  }
  forgetChanges();
  markAsked();
  return request;
}

std::string DeltaType::nextRequest(const envoy::config::core::v3::Node* node, const ResourceRecords& held) {
  DeltaDiscoveryRequest request = takeRequest(held);
  if (node != nullptr) {
    *request.mutable_node() = *node;
  }
  LOG_DEBUG(config, "delta request for {} nonce '{}' subscribes {} unsubscribes {} has {}{}", request.type_url(),
            request.response_nonce(), request.resource_names_subscribe_size(),
            request.resource_names_unsubscribe_size(), request.initial_resource_versions_size(),
            request.has_error_detail() ? " NACK" : "");
  return request.SerializeAsString();
}

}  // namespace sluice::xds
