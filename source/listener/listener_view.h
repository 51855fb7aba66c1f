#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

#include "source/base/clock.h"
#include "source/net/address.h"
#include "source/xds/init_manager.h"

namespace sluice::listener {

/** Why the last resource of a name was not taken, or came to nothing later: envoy.admin.v3.UpdateFailureState. */
struct ListenerFailure {
  /** Null when it could not even be decoded. */
  std::shared_ptr<const google::protobuf::Message> message;
  base::SystemTime last_attempt;
  std::string details;
  std::string version;
};

/** What the admin pages show of one version of a listener. */
struct ListenerVersionView {
  std::string version;
  std::shared_ptr<const google::protobuf::Message> message;
  base::SystemTime last_updated;
  /** What a warming version waits for, and since when. */
  std::vector<xds::InitManager::Pending> waits_for;
};

/** What the admin pages show of one listener: /listeners, /config_dump, /init_dump. */
struct ListenerView {
  std::string name;
  /** From xDS, not of the bootstrap. */
  bool dynamic = false;
  std::optional<ListenerVersionView> active;
  std::optional<ListenerVersionView> warming;
  /** Of the latest removed listener of this name whose connections live on. */
  std::optional<ListenerVersionView> draining;
  std::optional<ListenerFailure> failure;
  /** Of the active version: its own first, then the additional ones, with the ports that were bound. */
  std::vector<net::Address> addresses;
};

}  // namespace sluice::listener
