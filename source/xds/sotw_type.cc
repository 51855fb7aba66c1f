#include "source/xds/sotw_type.h"

#include <utility>

#include "source/base/logging.h"

namespace sluice::xds {

using envoy::service::discovery::v3::DiscoveryRequest;

void SotwType::streamBegins() {
  told_names_ = false;
  interest_changed_ = hasInterest();
}

DiscoveryRequest SotwType::takeRequest() {
  DiscoveryRequest request;
  request.set_type_url(typeUrl());
  if (std::optional<Answer> answer = takeAnswer()) {
    request.set_version_info(std::move(answer->version));
    request.set_response_nonce(std::move(answer->nonce));
    if (answer->error.has_value()) {
      *request.mutable_error_detail() = *std::move(answer->error);
    }
  } else {
    // A response that is still being worked on is not told yet: a request with its nonce and the old version would be
    // taken for a refusal.
    request.set_version_info(version());
    request.set_response_nonce(nonce());
  }
  if (wildcard() && (told_names_ || !names().empty())) {
    request.add_resource_names(std::string(kWildcard));
  }
  for (const auto& [name, subscribers] : names()) {
    request.add_resource_names(name);
  }
  told_names_ |= !names().empty();
  interest_changed_ = false;
  markAsked();
  return request;
}

std::string SotwType::nextRequest(const envoy::config::core::v3::Node* node, const ResourceRecords&) {
  DiscoveryRequest request = takeRequest();
  if (node != nullptr) {
    *request.mutable_node() = *node;
  }
  LOG_DEBUG(config, "request for {} version '{}' nonce '{}' names {}{}", request.type_url(), request.version_info(),
            request.response_nonce(), request.resource_names_size(), request.has_error_detail() ? " NACK" : "");
  return request.SerializeAsString();
}

}  // namespace sluice::xds
