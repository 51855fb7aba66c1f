#pragma once

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/net/transport_socket.h"
#include "source/stats/stats.h"
#include "source/xds/init_manager.h"

namespace sluice::cluster {

/** What a factory gets of the cluster that its transport sockets are for. Valid during the call only. */
struct TransportContext {
  /** What must be there before the cluster serves is added here. */
  xds::InitManager& init_manager;
  /** "cluster.<name>."; keep the pointer for as long as its statistics are counted into. */
  stats::ScopePtr scope;
  absl::string_view cluster_name;
};

/**
 * Turns one kind of configuration message into what a cluster's connections are ciphered (or not) with. On main; the one
 * list of all factories is in server/extensions. The message was unpacked and has passed config::validateMessage().
 * Mistakes go to `violations` with their path, and null is returned. What is returned dies on main: event::ownedBy().
 */
class UpstreamTransportSocketFactory {
 public:
  virtual ~UpstreamTransportSocketFactory() = default;
  /** Full name of the message, without the type URL's prefix: the only thing that selects a factory. */
  virtual absl::string_view messageName() const = 0;
  virtual std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message& message,
                                                                    const config::FieldPath& path,
                                                                    TransportContext& context,
                                                                    config::Violations& violations) const = 0;
};

/** Every kind of transport socket that clusters may name. Owned by the server; outlives the cluster manager. */
using UpstreamTransportSocketFactories = std::vector<std::unique_ptr<UpstreamTransportSocketFactory>>;

}  // namespace sluice::cluster
