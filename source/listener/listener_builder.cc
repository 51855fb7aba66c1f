#include "source/listener/listener_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "source/base/logging.h"
#include "source/config/duration.h"
#include "source/config/nearest.h"
#include "source/config/type_registry.h"
#include "source/listener/filter_chain_rule.h"
#include "source/matcher/tree_config.h"
#include "source/net/config.h"
#include "source/net/matching_inputs.h"
#include "source/net/raw_transport_socket.h"

namespace sluice::listener {
namespace {

namespace v3 = envoy::config::listener::v3;

/** Workers may be the last to hold a part; it is destroyed on main all the same, as main made it. */
template <class T>
std::shared_ptr<const T> diesOnMain(event::Dispatcher& main, std::shared_ptr<const T> part) {
  const T* raw = part.get();
  return std::shared_ptr<const T>(raw, [&main, part = std::move(part)](const T*) mutable {
    if (main.isThreadSafe()) {
      part.reset();
    } else {
      main.post([part = std::move(part)]() mutable { part.reset(); });
    }
  });
}

/** The factory for what an Any holds; null, with a violation, if there is none. */
template <class Factory>
const Factory* findFactory(const std::vector<std::unique_ptr<Factory>>& factories, const google::protobuf::Any& any,
                           absl::string_view what, const config::FieldPath& path, config::Violations& violations) {
  const std::string type = config::extensionTypeName(any);
  std::vector<std::string> known;
  for (const auto& factory : factories) {
    if (factory->messageName() == type) {
      return factory.get();
    }
    known.emplace_back(factory->messageName());
  }
  if (type.empty()) {
    violations.add(path, absl::StrCat("no type URL, which alone tells the ", what));
  } else {
    violations.add(path, absl::StrCat("there is no ", what, " of the type '", type, "' (type URL '", any.type_url(),
                                      "')", config::didYouMean(type, known)));
  }
  return nullptr;
}

/** Makes one extension: finds its factory, unpacks its message, calls it. Null, with violations, if that fails. */
template <class Made, class Factory>
std::shared_ptr<const Made> makeExtension(const std::vector<std::unique_ptr<Factory>>& factories,
                                          const google::protobuf::Any& any, absl::string_view what,
                                          const config::FieldPath& path, FactoryContext& context,
                                          config::Violations& violations) {
  const Factory* factory = findFactory(factories, any, what, path, violations);
  if (factory == nullptr) {
    return nullptr;
  }
  std::unique_ptr<google::protobuf::Message> message = config::unpackExtension(any, path, violations);
  if (message == nullptr) {
    return nullptr;
  }
  return factory->create(*message, path, context, violations);
}

ListenerFilterPredicate readPredicate(const v3::ListenerFilterChainMatchPredicate& proto) {
  using Kind = ListenerFilterPredicate::Kind;
  ListenerFilterPredicate predicate;
  auto takeSet = [&predicate](Kind kind, const v3::ListenerFilterChainMatchPredicate::MatchSet& set) {
    predicate.kind = kind;
    for (const auto& rule : set.rules()) {
      predicate.inner.push_back(readPredicate(rule));
    }
  };
  switch (proto.rule_case()) {
    case v3::ListenerFilterChainMatchPredicate::kOrMatch:
      takeSet(Kind::Or, proto.or_match());
      break;
    case v3::ListenerFilterChainMatchPredicate::kAndMatch:
      takeSet(Kind::And, proto.and_match());
      break;
    case v3::ListenerFilterChainMatchPredicate::kNotMatch:
      predicate.kind = Kind::Not;
      predicate.inner.push_back(readPredicate(proto.not_match()));
      break;
    case v3::ListenerFilterChainMatchPredicate::kDestinationPortRange:
      predicate.kind = Kind::DestinationPort;
      predicate.first_port = static_cast<uint32_t>(proto.destination_port_range().start());
      predicate.end_port = static_cast<uint32_t>(proto.destination_port_range().end());
      break;
    default:
      break;
  }
  return predicate;
}

}  // namespace

/** One call of build(). */
struct ListenerBuilder::Build {
  const v3::Listener& proto;
  const config::FieldPath& path;
  config::Violations& violations;
  FactoryContext context;
  ListenerParts& parts;
};

ListenerBuilder::ListenerBuilder(event::Dispatcher& main, const FilterFactories& factories,
                                 const access_log::LoggerFactory& access_logs)
    : main_(main),
      factories_(factories),
      access_logs_(access_logs),
      raw_transport_(std::make_shared<const net::RawTransportSocketFactory>()) {}

std::unique_ptr<ListenerParts> ListenerBuilder::build(const v3::Listener& proto, const config::FieldPath& path,
                                                      xds::InitManager& init_manager,
                                                      config::Violations& violations) const {
  const size_t mistakes_before = violations.size();
  auto parts = std::make_unique<ListenerParts>();
  Build build{proto, path, violations, FactoryContext{init_manager, proto.name(), {}}, *parts};

  parts->name = proto.name();
  parts->stat_prefix = proto.stat_prefix();
  parts->inbound = proto.traffic_direction() == envoy::config::core::v3::INBOUND;
  parts->bind_to_port = !proto.has_bind_to_port() || proto.bind_to_port().value();
  parts->ignore_global_limit = proto.ignore_global_conn_limit();
  if (proto.has_per_connection_buffer_limit_bytes()) {
    parts->per_connection_buffer_limit = proto.per_connection_buffer_limit_bytes().value();
  }
  if (proto.has_max_connections_to_accept_per_socket_event()) {
    parts->max_accepts_per_event = proto.max_connections_to_accept_per_socket_event().value();
    if (parts->max_accepts_per_event == 0) {
      violations.add(path.field("max_connections_to_accept_per_socket_event"), "0 would accept none");
    }
  }
  // Without a number the kernel's own limit (net.core.somaxconn) is the one that counts.
  parts->backlog = std::numeric_limits<int>::max();
  if (proto.has_tcp_backlog_size()) {
    parts->backlog =
        static_cast<int>(std::min<uint32_t>(proto.tcp_backlog_size().value(), std::numeric_limits<int>::max()));
  }

  buildAddresses(build);
  const std::string address = parts->addresses.empty() ? "" : parts->addresses.front().options.address.toString();
  build.context.stat_prefix = parts->stat_prefix.empty() ? address : parts->stat_prefix;
  buildListenerFilters(build);
  buildChains(build);
  for (auto& logger : access_logs_.create(proto.access_log(), path.field("access_log"), violations)) {
    if (logger != nullptr) {
      parts->access_logs.push_back(diesOnMain(main_, std::move(logger)));
    }
  }
  if (violations.size() != mistakes_before) {
    return nullptr;
  }
  return parts;
}

void ListenerBuilder::buildAddresses(Build& build) const {
  const v3::Listener& proto = build.proto;
  net::ListenSocketOptions common;
  common.reuse_port = !proto.has_enable_reuse_port() || proto.enable_reuse_port().value();
  common.freebind = proto.freebind().value();
  common.transparent = proto.transparent().value();
  if (proto.has_tcp_fast_open_queue_length()) {
    common.tcp_fast_open_queue = proto.tcp_fast_open_queue_length().value();
  }
  common.options = net::toSocketOptions(proto.socket_options(), build.path.field("socket_options"), build.violations);

  auto add = [&](const envoy::config::core::v3::Address& address, const config::FieldPath& path,
                 net::ListenSocketOptions options) {
    const auto own = net::toListenSocketOptions(address, path, build.violations);
    if (!own) {
      return;
    }
    options.address = own->address;
    options.ipv4_compat = own->ipv4_compat;
    options.pipe_mode = own->pipe_mode;
    if (options.address.kind() == net::Address::Kind::Pipe) {
      // One socket, from which one worker accepts for all.
      options.reuse_port = false;
    }
    for (const ListenAddress& other : build.parts.addresses) {
      if (other.options.address == options.address && !(options.address.isIp() && options.address.port() == 0)) {
        build.violations.add(path,
                             absl::StrCat("the address '", options.address.toString(), "' is also in ", other.path));
      }
    }
    build.parts.addresses.push_back({std::move(options), path.toString()});
  };

  const config::FieldPath address_path = build.path.field("address");
  if (!proto.has_address()) {
    build.violations.add(address_path, "a listener needs an address");
  } else {
    add(proto.address(), address_path, common);
  }
  for (int i = 0; i < proto.additional_addresses_size(); ++i) {
    const v3::AdditionalAddress& additional = proto.additional_addresses(i);
    const config::FieldPath path = build.path.field("additional_addresses").index(i).field("address");
    net::ListenSocketOptions options = common;
    if (additional.has_socket_options()) {
      options.options = net::toSocketOptions(
          additional.socket_options().socket_options(),
          build.path.field("additional_addresses").index(i).field("socket_options").field("socket_options"),
          build.violations);
    }
    add(additional.address(), path, std::move(options));
  }
}

void ListenerBuilder::buildListenerFilters(Build& build) const {
  const v3::Listener& proto = build.proto;
  if (proto.has_listener_filters_timeout()) {
    build.parts.listener_filters_timeout =
        std::chrono::milliseconds(config::toMilliseconds(proto.listener_filters_timeout()));
  }
  build.parts.continue_on_listener_filters_timeout = proto.continue_on_listener_filters_timeout();
  for (int i = 0; i < proto.listener_filters_size(); ++i) {
    const v3::ListenerFilter& filter = proto.listener_filters(i);
    const config::FieldPath path = build.path.field("listener_filters").index(i);
    if (filter.has_config_discovery()) {
      build.violations.add(path.field("config_discovery"), "a filter's configuration comes with its listener");
      continue;
    }
    std::shared_ptr<const ListenerFilterPredicate> disabled;
    if (filter.has_filter_disabled()) {
      disabled = std::make_shared<const ListenerFilterPredicate>(readPredicate(filter.filter_disabled()));
    }
    addListenerFilter(build, filter.typed_config(), path.field("typed_config"), std::move(disabled));
  }
  build.parts.use_original_dst = proto.use_original_dst().value();
  if (build.parts.use_original_dst) {
    // As in Envoy, what it needs comes with it, as the last.
    google::protobuf::Any original_dst;
    original_dst.PackFrom(envoy::extensions::filters::listener::original_dst::v3::OriginalDst());
    addListenerFilter(build, original_dst, build.path.field("use_original_dst"), nullptr);
  }
}

void ListenerBuilder::addListenerFilter(Build& build, const google::protobuf::Any& config,
                                        const config::FieldPath& path,
                                        std::shared_ptr<const ListenerFilterPredicate> disabled) const {
  auto made = makeExtension<net::ListenerFilterConfig>(factories_.listener, config, "listener filter", path,
                                                       build.context, build.violations);
  if (made != nullptr) {
    build.parts.listener_filters.push_back({diesOnMain(main_, std::move(made)), std::move(disabled)});
  }
}

void ListenerBuilder::buildChains(Build& build) const {
  const v3::Listener& proto = build.proto;
  const config::FieldPath chains_path = build.path.field("filter_chains");
  if (proto.filter_chains().empty() && !proto.has_default_filter_chain()) {
    build.violations.add(chains_path, "a listener needs a filter chain, or a default_filter_chain");
  }
  for (int i = 0; i < proto.filter_chains_size(); ++i) {
    FilterChainParts chain = buildChain(build, proto.filter_chains(i), chains_path.index(i));
    build.parts.chains.push_back(std::move(chain));
  }
  if (proto.has_default_filter_chain()) {
    const config::FieldPath path = build.path.field("default_filter_chain");
    build.parts.default_chain =
        std::make_unique<FilterChainParts>(buildChain(build, proto.default_filter_chain(), path));
    // It is taken where no other matches, whatever it says itself.
    build.parts.default_chain->rule = FilterChainRule();
  }

  if (proto.has_filter_chain_matcher()) {
    buildMatcherTree(build);
  } else {
    buildMatcher(build);
  }
}

void ListenerBuilder::buildMatcher(Build& build) const {
  const config::FieldPath chains_path = build.path.field("filter_chains");
  std::vector<FilterChainRule> rules;
  for (const FilterChainParts& chain : build.parts.chains) {
    rules.push_back(chain.rule);
  }
  auto describe = [&](size_t index) {
    const std::string& name = *build.parts.chains[index].name;
    return name.empty() ? build.parts.chains[index].path : absl::StrCat("'", name, "'");
  };
  std::vector<FilterChainMatcher::Conflict> conflicts;
  build.parts.matcher = FilterChainMatcher(rules, conflicts);
  for (const FilterChainMatcher::Conflict& conflict : conflicts) {
    build.violations.add(chains_path.index(conflict.second).field("filter_chain_match"),
                         absl::StrCat("the filter chains ", describe(conflict.first), " and ",
                                      describe(conflict.second), " both match ", conflict.what));
  }
}

void ListenerBuilder::buildMatcherTree(Build& build) const {
  const config::FieldPath chains_path = build.path.field("filter_chains");
  absl::flat_hash_map<std::string, uint32_t> by_name;
  for (size_t i = 0; i < build.parts.chains.size(); ++i) {
    FilterChainParts& chain = build.parts.chains[i];
    const config::FieldPath name_path = chains_path.index(i).field("name");
    if (chain.name->empty()) {
      build.violations.add(name_path, "is required with filter_chain_matcher, which chooses by it");
    } else if (!by_name.emplace(*chain.name, static_cast<uint32_t>(i)).second) {
      build.violations.add(name_path, absl::StrCat("there is another filter chain '", *chain.name, "'"));
    }
    // What it says itself does not count.
    chain.rule = FilterChainRule();
  }
  const matcher::TreeParts parts{
      net::networkInput,
      [&](const google::protobuf::Any& action, const config::FieldPath& path, config::Violations& violations) {
        google::protobuf::StringValue name;
        if (!config::unpackTo(action, name, path, violations)) {
          return matcher::Tree::kNone;
        }
        const auto found = by_name.find(name.value());
        if (found == by_name.end()) {
          LOG_WARNING(config, "listener '{}': {} names a filter chain '{}', and there is none of that name",
                      build.proto.name(), path.toString(), name.value());
          return ListenerSpec::kMissingChain;
        }
        return found->second;
      }};
  build.parts.matcher_tree =
      diesOnMain(main_, std::shared_ptr<const matcher::Tree>(std::make_shared<matcher::Tree>(
                            matcher::toTree(build.proto.filter_chain_matcher(), parts, matcher::RegexLimit(),
                                            build.path.field("filter_chain_matcher"), build.violations))));
}

FilterChainParts ListenerBuilder::buildChain(Build& build, const v3::FilterChain& proto,
                                             const config::FieldPath& path) const {
  FilterChainParts chain;
  chain.name = std::make_shared<const std::string>(proto.name());
  chain.path = path.toString();

  chain.rule = readRule(proto.filter_chain_match(), path.field("filter_chain_match"), build.violations);
  if (proto.has_transport_socket_connect_timeout()) {
    chain.connect_timeout = std::chrono::milliseconds(config::toMilliseconds(proto.transport_socket_connect_timeout()));
  }
  chain.transport = buildTransport(build, proto, path);
  std::string structure = chain.transport == nullptr ? "" : chain.transport->structuralKey().hex();
  buildNetworkFilters(build, proto, path, chain.filters, structure);
  chain.structural_key = config::contentKey(structure);
  return chain;
}

std::shared_ptr<const net::TransportSocketFactory> ListenerBuilder::buildTransport(
    Build& build, const v3::FilterChain& proto, const config::FieldPath& path) const {
  if (!proto.has_transport_socket()) {
    return raw_transport_;
  }
  auto made = makeExtension<net::TransportSocketFactory>(
      factories_.transport, proto.transport_socket().typed_config(), "transport socket",
      path.field("transport_socket").field("typed_config"), build.context, build.violations);
  return made == nullptr ? nullptr : diesOnMain(main_, std::move(made));
}

void ListenerBuilder::buildNetworkFilters(Build& build, const v3::FilterChain& proto, const config::FieldPath& path,
                                          std::vector<std::shared_ptr<const net::NetworkFilterConfig>>& filters,
                                          std::string& structure) const {
  const config::FieldPath filters_path = path.field("filters");
  for (int i = 0; i < proto.filters_size(); ++i) {
    const v3::Filter& filter = proto.filters(i);
    const config::FieldPath filter_path = filters_path.index(i);
    if (filter.has_config_discovery()) {
      build.violations.add(filter_path.field("config_discovery"), "a filter's configuration comes with its listener");
      continue;
    }
    auto made =
        makeExtension<net::NetworkFilterConfig>(factories_.network, filter.typed_config(), "network filter",
                                                filter_path.field("typed_config"), build.context, build.violations);
    if (made == nullptr) {
      continue;
    }
    const std::string type = config::extensionTypeName(filter.typed_config());
    const bool last = i + 1 == proto.filters_size();
    if (made->isTerminal() && !last) {
      build.violations.add(filter_path, absl::StrCat("a filter of the type '", type,
                                                     "' is the end of its chain: no filter can come after it"));
    } else if (!made->isTerminal() && last) {
      build.violations.add(filter_path, absl::StrCat("a filter of the type '", type,
                                                     "' cannot be the last of its chain: a terminal one (such as "
                                                     "tcp_proxy) must come after it"));
    }
    absl::StrAppend(&structure, " ", type, "=", made->structuralKey().hex());
    filters.push_back(diesOnMain(main_, std::move(made)));
  }
}

}  // namespace sluice::listener
