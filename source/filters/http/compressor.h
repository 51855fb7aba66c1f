#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"

#include "source/event/dispatcher.h"
#include "source/filters/http/compression.h"
#include "source/filters/http/factory.h"
#include "source/http/filter.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.http.compressor. */
std::unique_ptr<HttpFilterFactory> compressorFactory(event::Dispatcher& main, const runtime::Snapshot& runtime);

/** Which bodies of one direction are compressed. */
struct CompressedDirection {
  bool enabled = false;
  uint64_t min_content_length = 30;
  /** Without parameters, in lower case. */
  absl::flat_hash_set<std::string> content_types;
};

/** What a Compressor message says, as plain data. */
struct CompressorSettings {
  std::string library_name;
  std::shared_ptr<const CompressionLibrary> library;
  CompressedDirection request;
  CompressedDirection response;
  /** In statistics' names; false with the deprecated fields. */
  bool has_response_config = false;
  bool disable_on_etag = false;
  bool remove_accept_encoding = false;
  bool choose_first = false;
  absl::flat_hash_set<uint32_t> uncompressible_codes;
};

struct CompressorPerRoute : http::PerRouteConfig {
  bool disabled = false;
  std::optional<bool> remove_accept_encoding;
  /** Null: the chain's. */
  std::shared_ptr<const CompressionLibrary> library;
};

/** http.<stat_prefix>.compressor.<library's name>.<library>.[<direction>.]* */
struct DirectionStats {
  explicit DirectionStats(stats::Scope& scope);
  stats::Counter compressed;
  stats::Counter not_compressed;
  stats::Counter total_uncompressed_bytes;
  stats::Counter total_compressed_bytes;
  stats::Counter content_length_too_small;
};

/** Why a response was compressed or not: beside the direction's, and without it in their names. */
struct ResponseStats : DirectionStats {
  ResponseStats(stats::Scope& direction, stats::Scope& scope);
  stats::Counter no_accept_header;
  stats::Counter header_identity;
  stats::Counter header_compressor_used;
  stats::Counter header_compressor_overshadowed;
  stats::Counter header_wildcard;
  stats::Counter header_not_valid;
  stats::Counter not_compressed_etag;
};

/** One compressor of a chain. Made on main; shared by all workers. */
class CompressorConfig : public http::HttpFilterConfig {
 public:
  CompressorConfig(CompressorSettings settings, stats::ScopePtr scope);
  void addTo(http::FilterChainBuilder& chain) const override;

  const CompressorSettings& settings() const { return settings_; }
  const DirectionStats& requestStats() const { return request_stats_; }
  const ResponseStats& responseStats() const { return response_stats_; }

 private:
  const CompressorSettings settings_;
  const stats::ScopePtr scope_;
  const stats::ScopePtr request_scope_;
  const stats::ScopePtr response_scope_;
  const DirectionStats request_stats_;
  const ResponseStats response_stats_;
};

}  // namespace sluice::filters
