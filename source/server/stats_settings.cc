#include "source/server/stats_settings.h"

#include <optional>

#include "envoy/type/matcher/v3/string.pb.h"

namespace sluice::server {
namespace {

using envoy::config::metrics::v3::StatsConfig;
using envoy::config::metrics::v3::StatsMatcher;
using envoy::type::matcher::v3::StringMatcher;

std::optional<stats::NamePattern> readPattern(const StringMatcher& matcher, const config::FieldPath& path,
                                              config::Violations& violations) {
  using Kind = stats::NamePattern::Kind;
  stats::NamePattern out;
  out.ignore_case = matcher.ignore_case();
  switch (matcher.match_pattern_case()) {
    case StringMatcher::kExact:
      out.kind = Kind::Exact;
      out.text = matcher.exact();
      return out;
    case StringMatcher::kPrefix:
      out.kind = Kind::Prefix;
      out.text = matcher.prefix();
      return out;
    case StringMatcher::kSuffix:
      out.kind = Kind::Suffix;
      out.text = matcher.suffix();
      return out;
    case StringMatcher::kContains:
      out.kind = Kind::Contains;
      out.text = matcher.contains();
      return out;
    case StringMatcher::kSafeRegex:
      out.kind = Kind::Regex;
      out.text = matcher.safe_regex().regex();
      return out;
    default:
      violations.add(path, "this kind of string matcher is not supported");
      return std::nullopt;
  }
}

stats::NameFilter readFilter(const StatsMatcher& matcher, const config::FieldPath& path,
                             config::Violations& violations) {
  using Mode = stats::NameFilterConfig::Mode;
  stats::NameFilterConfig config;
  const envoy::type::matcher::v3::ListStringMatcher* list = nullptr;
  config::FieldPath patterns = path;
  switch (matcher.stats_matcher_case()) {
    case StatsMatcher::kRejectAll:
      config.mode = matcher.reject_all() ? Mode::RejectAll : Mode::AllowAll;
      break;
    case StatsMatcher::kInclusionList:
      config.mode = Mode::OnlyMatching;
      list = &matcher.inclusion_list();
      patterns = path.field("inclusion_list").field("patterns");
      break;
    case StatsMatcher::kExclusionList:
      config.mode = Mode::AllButMatching;
      list = &matcher.exclusion_list();
      patterns = path.field("exclusion_list").field("patterns");
      break;
    default:
      break;
  }
  if (list != nullptr) {
    for (int i = 0; i < list->patterns_size(); ++i) {
      auto pattern = readPattern(list->patterns(i), patterns.index(static_cast<size_t>(i)), violations);
      if (pattern.has_value()) {
        config.patterns.push_back(std::move(*pattern));
      }
    }
  }
  auto filter = stats::NameFilter::create(std::move(config));
  if (!filter.ok()) {
    violations.add(patterns, std::string(filter.status().message()));
    return {};
  }
  return *std::move(filter);
}

}  // namespace

stats::StoreOptions readStatsConfig(const StatsConfig& config,
                                    const std::vector<std::pair<std::string, std::string>>& fixed_tags,
                                    const config::FieldPath& path, config::Violations& violations) {
  stats::StoreOptions out;
  out.filter = readFilter(config.stats_matcher(), path.field("stats_matcher"), violations);

  stats::TagConfig tags;
  tags.use_all_default_tags = !config.has_use_all_default_tags() || config.use_all_default_tags().value();
  for (const auto& [name, value] : fixed_tags) {
    tags.rules.push_back({name, true, value});
  }
  for (const auto& tag : config.stats_tags()) {
    const bool fixed = tag.tag_value_case() == envoy::config::metrics::v3::TagSpecifier::kFixedValue;
    tags.rules.push_back({tag.tag_name(), fixed, fixed ? tag.fixed_value() : tag.regex()});
  }
  auto extractor = stats::TagExtractor::create(tags);
  if (extractor.ok()) {
    out.tags = *std::move(extractor);
  } else {
    violations.add(path.field("stats_tags"), std::string(extractor.status().message()));
  }

  for (int i = 0; i < config.histogram_bucket_settings_size(); ++i) {
    const auto& setting = config.histogram_bucket_settings(i);
    const config::FieldPath at = path.field("histogram_bucket_settings").index(static_cast<size_t>(i));
    auto pattern = readPattern(setting.match(), at.field("match"), violations);
    if (!pattern.has_value()) {
      continue;
    }
    auto matcher = stats::NameMatcher::create(*std::move(pattern));
    if (!matcher.ok()) {
      violations.add(at.field("match"), std::string(matcher.status().message()));
      continue;
    }
    out.buckets.push_back({*std::move(matcher), {setting.buckets().begin(), setting.buckets().end()}});
  }
  return out;
}

}  // namespace sluice::server
