#pragma once

#include <string>

#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/xds/type_protocol.h"

namespace sluice::xds {

/**
 * State of the world: each request names everything that is wanted, and tells the version in force. Owned by the mux;
 * main thread.
 */
class SotwType final : public TypeProtocol {
 public:
  explicit SotwType(std::string type_url) : TypeProtocol(std::move(type_url)) {}

  /** The next request; the node is not in it. */
  envoy::service::discovery::v3::DiscoveryRequest takeRequest();
  std::string nextRequest(const envoy::config::core::v3::Node* node, const ResourceRecords& held) override;

 private:
  void nameAdded(const std::string&) override { interest_changed_ = true; }
  void nameRemoved(const std::string&) override { interest_changed_ = true; }
  void streamBegins() override;
  // Before anything was asked there is nothing to take back either.
  bool interestToTell() const override { return interest_changed_ && (asked() || hasInterest()); }

  /** Names were told on this stream, so that an empty list means none of them, and the wildcard is spelt "*". */
  bool told_names_ = false;
  bool interest_changed_ = false;
};

}  // namespace sluice::xds
