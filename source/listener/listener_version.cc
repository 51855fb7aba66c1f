#include "source/listener/listener_version.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace sluice::listener {
namespace {

uint64_t nextChainId() {
  static uint64_t last = 0;  // main's alone
  return ++last;
}

ChainIdentity identify(const FilterChainParts& chain, bool is_default) {
  return {0, *chain.name, chain.rule, is_default, chain.structural_key};
}

std::shared_ptr<const FilterChain> makeChain(event::Dispatcher& main, const FilterChainParts& parts, uint64_t id) {
  auto chain = std::make_unique<FilterChain>();
  chain->id = id;
  chain->name = parts.name;
  chain->transport = parts.transport;
  chain->filters = parts.filters;
  chain->connect_timeout = parts.connect_timeout;
  return event::ownedBy(main, std::move(chain));
}

}  // namespace

std::vector<net::Address> ListenerVersion::addresses() const {
  std::vector<net::Address> addresses;
  for (const auto& set : sockets) {
    addresses.push_back(set->address());
  }
  if (sockets.empty()) {
    for (const ListenAddress& address : parts->addresses) {
      addresses.push_back(address.options.address);
    }
  }
  return addresses;
}

std::shared_ptr<ListenSockets> ListenerVersion::findSockets(
    const net::ListenSocketOptions& options, const std::vector<std::shared_ptr<ListenSockets>>& except) const {
  for (const auto& set : sockets) {
    if (set->options() == options && std::find(except.begin(), except.end(), set) == except.end()) {
      return set;
    }
  }
  return nullptr;
}

bool ListenerVersion::hasSockets(const ListenSockets& set) const {
  return std::any_of(sockets.begin(), sockets.end(), [&set](const auto& own) { return own.get() == &set; });
}

std::vector<ChainIdentity> makeSpec(event::Dispatcher& main, ListenerVersion& version,
                                    const std::vector<ChainIdentity>& old_chains,
                                    std::shared_ptr<ConnectionLimit> limit,
                                    std::shared_ptr<const ListenerStats> stats) {
  const ListenerParts& parts = *version.parts;
  version.chains.clear();
  for (const FilterChainParts& chain : parts.chains) {
    version.chains.push_back(identify(chain, false));
  }
  if (parts.default_chain != nullptr) {
    version.chains.push_back(identify(*parts.default_chain, true));
  }
  absl::flat_hash_set<uint64_t> adopted;
  const std::vector<uint64_t> ids = adoptChains(old_chains, version.chains);
  for (size_t i = 0; i < ids.size(); ++i) {
    version.chains[i].id = ids[i] != 0 ? ids[i] : nextChainId();
    adopted.insert(version.chains[i].id);
  }

  auto spec = std::make_unique<ListenerSpec>();
  spec->name = std::make_shared<const std::string>(parts.name);
  spec->matcher = parts.matcher;
  spec->matcher_tree = parts.matcher_tree;
  for (size_t i = 0; i < parts.chains.size(); ++i) {
    spec->chains.push_back(makeChain(main, parts.chains[i], version.chains[i].id));
  }
  if (parts.default_chain != nullptr) {
    spec->default_chain = makeChain(main, *parts.default_chain, version.chains.back().id);
  }
  spec->addresses = version.addresses();
  for (size_t i = 0; i < parts.addresses.size(); ++i) {
    const net::ListenSocketOptions& options = parts.addresses[i].options;
    if (options.ipv4_compat && options.address.isAnyAddress()) {
      spec->addresses.push_back(net::Address::ip("0.0.0.0", spec->addresses[i].port()).value());
    }
  }
  spec->use_original_dst = parts.use_original_dst;
  spec->listener_filters = parts.listener_filters;
  spec->listener_filters_timeout = parts.listener_filters_timeout;
  spec->continue_on_listener_filters_timeout = parts.continue_on_listener_filters_timeout;
  spec->per_connection_buffer_limit = parts.per_connection_buffer_limit;
  spec->max_accepts_per_event = parts.max_accepts_per_event;
  spec->backlog = parts.backlog;
  spec->ignore_global_limit = parts.ignore_global_limit;
  spec->access_logs = parts.access_logs;
  spec->stats = std::move(stats);
  spec->limit = std::move(limit);
  version.spec = event::ownedBy(main, std::move(spec));

  std::vector<ChainIdentity> left;
  for (const ChainIdentity& chain : old_chains) {
    if (!adopted.contains(chain.id)) {
      left.push_back(chain);
    }
  }
  return left;
}

}  // namespace sluice::listener
