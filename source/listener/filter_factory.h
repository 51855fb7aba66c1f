#pragma once

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/net/filter.h"
#include "source/net/transport_socket.h"
#include "source/xds/init_manager.h"

namespace sluice::listener {

/** What a factory gets of the listener that its filter is for. Valid during the call only. */
struct FactoryContext {
  /** What must be there before the listener serves is added here. */
  xds::InitManager& init_manager;
  /** The listener's name, for logs. */
  absl::string_view listener_name;
  /** Its statistics are listener.<this>.*: its own stat_prefix, or its first address. */
  absl::string_view stat_prefix;
};

/**
 * Turns one kind of configuration message into a network filter. On main; the one list of all factories is in
 * server/extensions. The message was unpacked and has passed config::validateMessage(). Mistakes go to `violations`
 * with their path, and null is returned.
 */
class NetworkFilterFactory {
 public:
  virtual ~NetworkFilterFactory() = default;
  /** Full name of the message, without the type URL's prefix: the only thing that selects a factory. */
  virtual absl::string_view messageName() const = 0;
  virtual std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                                 const config::FieldPath& path, FactoryContext& context,
                                                                 config::Violations& violations) const = 0;
};

/** The same for listener filters. */
class ListenerFilterFactory {
 public:
  virtual ~ListenerFilterFactory() = default;
  virtual absl::string_view messageName() const = 0;
  virtual std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message& message,
                                                                  const config::FieldPath& path,
                                                                  FactoryContext& context,
                                                                  config::Violations& violations) const = 0;
};

/** The same for the transport sockets of filter chains. */
class DownstreamTransportSocketFactory {
 public:
  virtual ~DownstreamTransportSocketFactory() = default;
  virtual absl::string_view messageName() const = 0;
  virtual std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message& message,
                                                                    const config::FieldPath& path,
                                                                    FactoryContext& context,
                                                                    config::Violations& violations) const = 0;
};

/** All that listeners may be made of. Owned by the server; outlives the listener manager. */
struct FilterFactories {
  std::vector<std::unique_ptr<NetworkFilterFactory>> network;
  std::vector<std::unique_ptr<ListenerFilterFactory>> listener;
  std::vector<std::unique_ptr<DownstreamTransportSocketFactory>> transport;
};

}  // namespace sluice::listener
