#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/access_log/operators.h"
#include "source/http/filter.h"
#include "source/http/header_map.h"
#include "source/http/stream_info.h"

namespace envoy::config::core::v3 {
class Metadata;
}
namespace re2 {
class RE2;
}

namespace sluice::http {

// A route table's parts as requests see them: plain, immutable, made on main (route_config.h) and shared by all workers.

class HeaderMatcher;
class HeaderMutations;
struct RequestStats;
struct RetryPolicy;

/** Settings of filters by the filter's name in the chain; a null configuration with `disabled` switches the filter off. */
struct FilterOverride {
  std::shared_ptr<const PerRouteConfig> config;
  bool disabled = false;
};
using FilterOverrides = absl::flat_hash_map<std::string, FilterOverride>;

/** What the proto calls typed_per_filter_config, request_headers_to_add and so on: at four levels of a table. */
struct RouteLevel {
  /** Null when there are none. */
  std::shared_ptr<const HeaderMutations> request_headers;
  std::shared_ptr<const HeaderMutations> response_headers;
  FilterOverrides overrides;
  /** Null when there is none. */
  std::shared_ptr<const envoy::config::core::v3::Metadata> metadata;
};

/** A regular expression and what takes its place. */
struct RegexRewrite {
  std::shared_ptr<const re2::RE2> regex;
  std::string substitution;
};

/** How the path of a forwarded or redirected request is changed; at most one is set. */
struct PathRewrite {
  std::optional<std::string> prefix;
  std::optional<RegexRewrite> regex;
  /** Redirects: the whole path, perhaps with its query. */
  std::optional<std::string> path;
};

/** One cluster of a weighted choice. */
struct WeightedCluster : RouteLevel {
  /** Empty when `header` names the request header that holds it. */
  std::string name;
  std::string header;
  uint32_t weight = 0;
  std::optional<std::string> host_rewrite;
};

/** What a request's hash for ring and Maglev balancers is made of. */
struct HashPolicy {
  enum class Kind : uint8_t { Header, Cookie, SourceIp, QueryParameter, FilterState };
  Kind kind = Kind::Header;
  std::string key;
  std::optional<RegexRewrite> header_rewrite;
  /** Cookie: made when it is missing, if there is a lifetime; zero makes a session cookie. */
  std::optional<std::chrono::seconds> cookie_ttl;
  std::string cookie_path;
  /** Ends the list when it gave a hash. */
  bool terminal = false;
};

struct MirrorPolicy {
  std::string cluster;
  std::string cluster_header;
  std::string runtime_key;
  /** Of a million. */
  uint32_t share = 1'000'000;
  bool append_shadow_to_host = true;
};

/** Doubling waits with full jitter. */
struct BackOff {
  std::chrono::milliseconds base{25};
  std::chrono::milliseconds max{250};
};

/** Headers of a response that tell when to try again. */
struct ResetHeader {
  std::string name;
  /** Else seconds. */
  bool unix_timestamp = false;
};

/** Conditions of retry_on, as bits. */
namespace retry_on {
inline constexpr uint32_t k5xx = 1u << 0;
inline constexpr uint32_t kGatewayError = 1u << 1;
inline constexpr uint32_t kReset = 1u << 2;
inline constexpr uint32_t kResetBeforeRequest = 1u << 3;
inline constexpr uint32_t kConnectFailure = 1u << 4;
inline constexpr uint32_t kEnvoyRateLimited = 1u << 5;
inline constexpr uint32_t kRetriable4xx = 1u << 6;
inline constexpr uint32_t kRefusedStream = 1u << 7;
inline constexpr uint32_t kRetriableStatusCodes = 1u << 8;
inline constexpr uint32_t kRetriableHeaders = 1u << 9;
inline constexpr uint32_t kHttp3PostConnectFailure = 1u << 10;
inline constexpr uint32_t kGrpcCancelled = 1u << 11;
inline constexpr uint32_t kGrpcDeadlineExceeded = 1u << 12;
inline constexpr uint32_t kGrpcInternal = 1u << 13;
inline constexpr uint32_t kGrpcResourceExhausted = 1u << 14;
inline constexpr uint32_t kGrpcUnavailable = 1u << 15;
/** The bits of a comma-separated list; `unknown` gets the words that mean nothing. */
uint32_t parse(absl::string_view list, bool grpc, std::vector<std::string>* unknown);
}  // namespace retry_on

struct RetryPolicy {
  uint32_t on = 0;
  uint32_t num_retries = 1;
  std::optional<std::chrono::milliseconds> per_try_timeout;
  std::optional<std::chrono::milliseconds> per_try_idle_timeout;
  BackOff back_off;
  /** Empty: no rate-limited back-off. */
  std::vector<ResetHeader> reset_headers;
  std::chrono::milliseconds rate_limited_max{300000};
  std::vector<uint32_t> retriable_status_codes;
  std::vector<std::shared_ptr<const HeaderMatcher>> retriable_headers;
  std::vector<std::shared_ptr<const HeaderMatcher>> retriable_request_headers;
  /** retry_host_predicate: previous_hosts. */
  bool avoid_previous_hosts = false;
  /** omit_canary_hosts. */
  bool omit_canary_hosts = false;
  /** omit_host_metadata; null when there is none. */
  std::shared_ptr<const envoy::config::core::v3::Metadata> omit_host_metadata;
  uint32_t host_selection_retry_max_attempts = 1;
};

struct HedgePolicy {
  uint32_t initial_requests = 1;
  /** Of a million: a further request at once. */
  uint32_t additional_request_chance = 0;
  bool hedge_on_per_try_timeout = false;
};

struct InternalRedirectPolicy {
  uint32_t max_redirects = 1;
  std::vector<uint32_t> response_codes;
  bool allow_cross_scheme = false;
  std::vector<std::string> response_headers_to_copy;
  /** Predicates. */
  bool safe_cross_scheme = false;
  bool previous_routes = false;
  std::optional<std::vector<std::string>> allowed_routes;
};

/** Whether this route takes an upgrade (WebSocket, CONNECT), over what the connection manager says. */
struct UpgradeRule {
  /** In lower case. */
  std::string type;
  bool enabled = true;
  /** CONNECT: bytes of the request's body are the upstream connection's. */
  bool terminate_connect = false;
  bool allow_post = false;
};

/** Sends the request to a cluster. One for all routes of a table that differ by their cluster's name alone. */
struct ForwardAction {
  /** Where Route::cluster is empty, one of these two names the cluster. */
  std::string cluster_header;
  std::vector<WeightedCluster> weighted;
  uint64_t total_weight = 0;
  std::string random_value_header;

  uint32_t cluster_not_found_code = 503;
  PathRewrite path_rewrite;
  std::optional<std::string> host_rewrite;
  std::string host_rewrite_header;
  std::optional<RegexRewrite> host_rewrite_path_regex;
  bool auto_host_rewrite = false;
  bool append_x_forwarded_host = false;
  /** Zero: none. */
  std::chrono::milliseconds timeout{15000};
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> max_stream_duration;
  std::optional<std::chrono::milliseconds> grpc_timeout_header_max;
  std::optional<std::chrono::milliseconds> grpc_timeout_header_offset;
  bool has_grpc_timeout_header_max = false;
  /** The deprecated max_grpc_timeout and grpc_timeout_offset. */
  std::optional<std::chrono::milliseconds> max_grpc_timeout;
  std::optional<std::chrono::milliseconds> grpc_timeout_offset;
  /** This route's, else its virtual host's; null when neither has one. */
  std::shared_ptr<const RetryPolicy> retry;
  HedgePolicy hedge;
  std::vector<HashPolicy> hash;
  std::vector<MirrorPolicy> mirrors;
  bool high_priority = false;
  std::optional<InternalRedirectPolicy> internal_redirect;
  std::vector<UpgradeRule> upgrades;
  /** Subsets; null when there is none. */
  std::shared_ptr<const envoy::config::core::v3::Metadata> metadata_match;
};

struct RedirectAction {
  std::optional<std::string> scheme;
  bool https = false;
  std::optional<std::string> host;
  std::optional<uint32_t> port;
  PathRewrite path;
  uint32_t code = 301;
  bool strip_query = false;
};

struct DirectAction {
  uint32_t status = 200;
  std::shared_ptr<const std::string> body;
};

/** One entry of a virtual host; its match is its table's business. */
struct Route : RouteLevel {
  enum class Kind : uint8_t { Forward, Redirect, Direct, NonForwarding };

  std::string name;
  const VirtualHost* virtual_host = nullptr;
  Kind kind = Kind::Forward;
  /** Forward: where to, unless the action says it. */
  std::string cluster;
  /** The one of `kind`. */
  std::shared_ptr<const ForwardAction> forward;
  std::unique_ptr<const RedirectAction> redirect;
  std::unique_ptr<const DirectAction> direct;
  /** What of the path a prefix rewrite replaces: its length; the whole path for exact and regex matches. */
  std::optional<size_t> matched_prefix;
  std::optional<uint32_t> request_body_limit;
  std::string decorator_operation;
  bool decorator_propagate = true;
  /** Null without a stat_prefix. */
  std::shared_ptr<const RequestStats> stats;
};

struct VirtualCluster {
  std::string name;
  std::vector<std::shared_ptr<const HeaderMatcher>> headers;
  std::shared_ptr<const RequestStats> stats;
};

struct VirtualHost : RouteLevel {
  std::string name;
  enum class TlsRequirement : uint8_t { None, ExternalOnly, All };
  TlsRequirement require_tls = TlsRequirement::None;
  bool include_request_attempt_count = false;
  bool include_attempt_count_in_response = false;
  bool include_is_timeout_retry_header = false;
  std::optional<uint32_t> request_body_limit;
  std::vector<VirtualCluster> virtual_clusters;
  /** Of requests that are none of theirs; null where there are no virtual clusters. */
  std::shared_ptr<const RequestStats> other_cluster_stats;
  /** The table's. */
  const RouteLevel* table = nullptr;
  bool most_specific_header_mutations_wins = false;
};

/** What a request is matched by. */
struct RouteQuery {
  const HeaderMap& headers;
  const StreamInfo& info;
  /** Drawn once for the stream: runtime fractions and weighted clusters take from it. */
  uint64_t random;
};

}  // namespace sluice::http
