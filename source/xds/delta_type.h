#pragma once

#include <set>
#include <string>

#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/xds/type_protocol.h"

namespace sluice::xds {

/**
 * Delta: requests tell which names have come to be wanted or have ceased to be, and the first one of a stream tells what
 * is there already, each resource with its version. Owned by the mux; main thread.
 */
class DeltaType final : public TypeProtocol {
 public:
  explicit DeltaType(std::string type_url) : TypeProtocol(std::move(type_url)) {}

  /** The next request; the node is not in it. `held` is looked at for the first one of a stream. */
  envoy::service::discovery::v3::DeltaDiscoveryRequest takeRequest(const ResourceRecords& held);
  std::string nextRequest(const envoy::config::core::v3::Node* node, const ResourceRecords& held) override;

 private:
  void nameAdded(const std::string& name) override;
  void nameRemoved(const std::string& name) override;
  void streamBegins() override;
  bool interestToTell() const override;
  void forgetChanges();

  // Since the last request; the wildcard is "*" among them.
  std::set<std::string> subscribe_;
  std::set<std::string> unsubscribe_;
  /** Of `subscribe_`, what the server is subscribed to: should it be dropped again, that is told. */
  std::set<std::string> renewed_;
};

}  // namespace sluice::xds
