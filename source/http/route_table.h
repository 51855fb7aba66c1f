#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/http/path_index.h"
#include "source/http/route.h"
#include "source/http/route_match.h"

namespace sluice::http {

/** A virtual host with its routes: of one table, which owns it. */
struct RoutedHost : VirtualHost {
  std::vector<Route> routes;
  /** As many, in the same order. */
  std::vector<RouteMatch> matches;
  /** Null where the routes are few: they are walked. */
  std::unique_ptr<const PathIndex> index;

  /** Once all routes are there. */
  void seal();
};

/**
 * One version of a route configuration. Filled on main (route_config.h), immutable from then on, shared by all workers;
 * dies on main, as it holds statistics.
 */
class RouteTable {
 public:
  /** Where routes find what the table says for all of them, beside the table itself. */
  RouteLevel level;
  std::string name;
  /** In lower case: stripped from external requests. */
  std::vector<std::string> internal_only_headers;
  bool most_specific_header_mutations_wins = false;
  bool ignore_port_in_host_matching = false;
  bool ignore_path_parameters_in_path_matching = false;
  uint32_t max_direct_response_body_size_bytes = 4096;
  /** Where a header other than :authority names the virtual host: in lower case. */
  std::string vhost_header;

  RouteTable() = default;
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  /** The first route that matches; null when none does. */
  const Route* find(const RouteQuery& query) const;
  const Route* find(const VirtualHost& host, const RouteQuery& query) const;

  /**
   * By its exact domain, else by the longest suffix ("*.foo.com"), else by the longest prefix ("foo.*"), else "*"; null
   * when there is none.
   */
  const VirtualHost* findHost(absl::string_view authority) const;
  const VirtualHost* findHost(const HeaderMap& request) const;

  /** `host` is to serve `domain`; fails when another one does. */
  absl::Status addDomain(absl::string_view domain, const RoutedHost& host);
  RoutedHost& addHost();
  size_t hostCount() const { return hosts_.size(); }
  /** Once all domains are there. */
  void seal();

 private:
  /** Domains with a wildcard at one end, by what is left of them. */
  struct Wildcards {
    absl::flat_hash_map<std::string, const RoutedHost*> hosts;
    /** The lengths there are, the longest first. */
    std::vector<size_t> lengths;
    void seal();
  };
  const RoutedHost* findIn(const Wildcards& wildcards, absl::string_view authority, bool suffix) const;

  std::vector<std::unique_ptr<RoutedHost>> hosts_;
  absl::flat_hash_map<std::string, const RoutedHost*> exact_;
  Wildcards suffixes_;
  Wildcards prefixes_;
  const RoutedHost* default_ = nullptr;
};

}  // namespace sluice::http
