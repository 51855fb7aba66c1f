#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::stats {

struct Tag {
  std::string name;
  std::string value;
  bool operator==(const Tag& other) const = default;
};

/** bootstrap.stats_config's stats_tags and use_all_default_tags, as plain structs. */
struct TagRule {
  std::string name;
  /** A fixed value for every statistic, or else a regular expression; with neither, Envoy's default rule of that name. */
  bool fixed = false;
  std::string value;
};
struct TagConfig {
  bool use_all_default_tags = true;
  std::vector<TagRule> rules;
};

/**
 * Takes what varies out of a statistic's name: "cluster.be.upstream_cx_total" becomes "cluster.upstream_cx_total" with
 * the tag envoy.cluster_name = "be". Immutable; any thread.
 *
 * The default rules are patterns over the dot-separated tokens of a name (default_tags.h) and cost no regular
 * expression. Configured ones are ECMAScript regular expressions in Envoy, so they run on PCRE2, with a limit on their
 * work: the first group is taken out of the name, the second one, if there is one, is the value.
 */
class TagExtractor {
 public:
  static absl::StatusOr<std::unique_ptr<const TagExtractor>> create(const TagConfig& config);
  ~TagExtractor();

  /** The name without its tags; those are appended to `tags`. */
  std::string extract(absl::string_view name, std::vector<Tag>& tags) const;

 private:
  class Regex;
  TagExtractor();

  std::vector<Tag> fixed_;
  /** The places of the default rules that apply, by the first character of the names that may match. */
  std::array<std::vector<uint8_t>, 256> defaults_;
  std::vector<std::unique_ptr<Regex>> regexes_;
};

}  // namespace sluice::stats
