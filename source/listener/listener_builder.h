#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "envoy/config/listener/v3/listener.pb.h"

#include "source/access_log/factory.h"
#include "source/config/canonical_key.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/listener/filter_chain_matcher.h"
#include "source/listener/filter_factory.h"
#include "source/listener/listener_spec.h"
#include "source/net/socket.h"
#include "source/xds/init_manager.h"

namespace sluice::listener {

/** A filter chain taken apart. */
struct FilterChainParts {
  std::shared_ptr<const std::string> name;
  FilterChainRule rule;
  std::shared_ptr<const net::TransportSocketFactory> transport;
  std::vector<std::shared_ptr<const net::NetworkFilterConfig>> filters;
  std::chrono::milliseconds connect_timeout{0};
  /** Of what its connections are structurally made of. */
  config::ContentKey structural_key;
  /** Of its field, for messages. */
  std::string path;
};

/** One of a listener's addresses. */
struct ListenAddress {
  net::ListenSocketOptions options;
  /** Of its field, for messages. */
  std::string path;
};

/** A listener's configuration taken apart into what it is made of. Main thread. */
struct ListenerParts {
  std::string name;
  std::vector<ListenAddress> addresses;
  bool bind_to_port = true;
  /** For /drain_listeners?inboundonly. */
  bool inbound = false;
  std::string stat_prefix;
  std::vector<FilterChainParts> chains;
  std::unique_ptr<FilterChainParts> default_chain;
  FilterChainMatcher matcher;
  std::shared_ptr<const matcher::Tree> matcher_tree;
  bool use_original_dst = false;
  std::vector<ListenerFilterEntry> listener_filters;
  std::chrono::milliseconds listener_filters_timeout{15000};
  bool continue_on_listener_filters_timeout = false;
  uint32_t per_connection_buffer_limit = 1024 * 1024;
  uint32_t max_accepts_per_event = 1;
  int backlog = 0;
  bool ignore_global_limit = false;
  access_log::AccessLoggers access_logs;
};

/**
 * Turns listeners' protos into parts, finding all mistakes of one at once. Main thread; owned by the server. The
 * factories outlive it. What it makes dies on main, wherever its last reference is dropped.
 */
class ListenerBuilder {
 public:
  ListenerBuilder(event::Dispatcher& main, const FilterFactories& factories,
                  const access_log::LoggerFactory& access_logs);

  /**
   * The proto has passed config::validateMessage(). Null when something was added to `violations`. What the parts must
   * wait for is added to `init_manager`.
   */
  std::unique_ptr<ListenerParts> build(const envoy::config::listener::v3::Listener& proto,
                                       const config::FieldPath& path, xds::InitManager& init_manager,
                                       config::Violations& violations) const;

 private:
  struct Build;

  void buildAddresses(Build& build) const;
  void buildListenerFilters(Build& build) const;
  void addListenerFilter(Build& build, const google::protobuf::Any& config, const config::FieldPath& path,
                         std::shared_ptr<const ListenerFilterPredicate> disabled) const;
  void buildChains(Build& build) const;
  void buildMatcher(Build& build) const;
  void buildMatcherTree(Build& build) const;
  FilterChainParts buildChain(Build& build, const envoy::config::listener::v3::FilterChain& proto,
                              const config::FieldPath& path) const;
  /** `structure` gets what tells chains of other filters apart. */
  void buildNetworkFilters(Build& build, const envoy::config::listener::v3::FilterChain& proto,
                           const config::FieldPath& path,
                           std::vector<std::shared_ptr<const net::NetworkFilterConfig>>& filters,
                           std::string& structure) const;
  std::shared_ptr<const net::TransportSocketFactory> buildTransport(
      Build& build, const envoy::config::listener::v3::FilterChain& proto, const config::FieldPath& path) const;

  event::Dispatcher& main_;
  const FilterFactories& factories_;
  const access_log::LoggerFactory& access_logs_;
  /** Of chains that name no transport socket. */
  const std::shared_ptr<const net::TransportSocketFactory> raw_transport_;
};

}  // namespace sluice::listener
