#pragma once

#include <memory>
#include <string>

#include "source/config/canonical_key.h"
#include "source/filters/common/check_request.h"
#include "source/grpc/service_config.h"
#include "source/grpc/upstreams.h"
#include "source/matcher/metadata_matcher.h"
#include "source/net/filter.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** ext_authz.<stat_prefix>.* */
struct NetworkExtAuthzStats {
  explicit NetworkExtAuthzStats(stats::Scope& scope);
  stats::Counter total;
  stats::Counter cx_closed;
  stats::Counter denied;
  stats::Counter disabled;
  stats::Counter error;
  stats::Counter failure_mode_allowed;
  stats::Counter ok;
  stats::Gauge active;
};

struct NetworkExtAuthzSettings {
  grpc::ServiceConfig service;
  bool failure_mode_allow = false;
  TlsAttributes tls;
  std::optional<matcher::MetadataMatcher> enabled_metadata;
  std::vector<std::pair<std::string, std::string>> destination_labels;
  MetadataNamespaces metadata;
};

/**
 * Asks a service about each connection when its first bytes come, and closes those that are denied. Made on main; shared.
 * Which connections are live under it makes no difference: nothing of it is structural.
 */
class NetworkExtAuthzConfig final : public net::NetworkFilterConfig {
 public:
  NetworkExtAuthzConfig(NetworkExtAuthzSettings settings, stats::ScopePtr scope, const grpc::Upstreams& upstreams);

  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return false; }

  const NetworkExtAuthzSettings& settings() const { return settings_; }
  const NetworkExtAuthzStats& stats() const { return stats_; }
  const grpc::Upstreams& upstreams() const { return upstreams_; }

 private:
  const NetworkExtAuthzSettings settings_;
  const stats::ScopePtr scope_;
  const NetworkExtAuthzStats stats_;
  const grpc::Upstreams& upstreams_;
  const config::ContentKey structural_key_;
};

}  // namespace sluice::filters
