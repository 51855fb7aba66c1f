#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "source/base/clock.h"
#include "source/config/data_source.h"
#include "source/event/dispatcher.h"
#include "source/listener/address_book.h"
#include "source/listener/chain_adoption.h"
#include "source/listener/listen_sockets.h"
#include "source/listener/listener_builder.h"
#include "source/listener/listener_spec.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::listener {

/**
 * One version of a listener on main: the resource, what it was taken apart into, its sockets, and what it waits for.
 * Owned by its Listener as the warming or the active version.
 */
struct ListenerVersion {
  xds::Resource resource;
  base::SystemTime last_updated;
  std::unique_ptr<ListenerParts> parts;
  /** What its parts were made of beside the resource. */
  std::vector<config::FilesRead::File> files;
  /** One for each address; none when the listener binds to no port. */
  std::vector<std::shared_ptr<ListenSockets>> sockets;
  std::unique_ptr<AddressBook::Claim> addresses_claim;
  std::unique_ptr<xds::InitManager> init;
  /** Holds up the server's start while the workers have not started. */
  std::unique_ptr<xds::InitTarget> server_target;

  // From activation on.
  std::shared_ptr<const ListenerSpec> spec;
  std::vector<ChainIdentity> chains;

  /** In what it says, and in what the files hold that it names. */
  bool sameResource(const xds::Resource& other) const {
    return resource.key == other.key && config::FilesRead::current(files);
  }
  /** With the ports that were bound. */
  std::vector<net::Address> addresses() const;
  /** Sockets of this kind that are not among `except` (an update may ask for port 0 twice), or null. */
  std::shared_ptr<ListenSockets> findSockets(const net::ListenSocketOptions& options,
                                             const std::vector<std::shared_ptr<ListenSockets>>& except) const;
  bool hasSockets(const ListenSockets& set) const;
};

/** A listener by its name, over all its versions. Owned by the listener manager. */
struct Listener {
  std::string name;
  /** The workers' name for it. */
  uint64_t id = 0;
  bool dynamic = false;
  /** Shared by all versions; workers count in it. */
  std::shared_ptr<ConnectionLimit> limit;
  std::unique_ptr<ListenerVersion> active;
  std::unique_ptr<ListenerVersion> warming;
  /** The workers know it. */
  bool with_workers = false;
  /** It was told to stop accepting, for good. */
  bool stopped = false;
};

/**
 * Makes of a version's parts what the workers see: each chain gets the id of the old chain that it adopts, or a new
 * one. Fills `version.spec` and `version.chains`; returns those of `old_chains` that nobody adopted. Main thread, which
 * the spec will die on.
 */
std::vector<ChainIdentity> makeSpec(event::Dispatcher& main, ListenerVersion& version,
                                    const std::vector<ChainIdentity>& old_chains,
                                    std::shared_ptr<ConnectionLimit> limit, std::shared_ptr<const ListenerStats> stats);

}  // namespace sluice::listener
