#include "source/stats/tags.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/stats/default_tags.h"

namespace sluice::stats {

/** A configured rule. Matching makes its own match data: it runs when a page is made, never on the data path. */
class TagExtractor::Regex {
 public:
  static absl::StatusOr<std::unique_ptr<Regex>> create(const TagRule& rule) {
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rule.value.data()), rule.value.size(), 0, &error, &at, nullptr);
    if (code == nullptr) {
      PCRE2_UCHAR text[256];
      pcre2_get_error_message(error, text, sizeof(text));
      return absl::InvalidArgumentError(absl::StrCat("invalid regex '", rule.value, "' for the tag '", rule.name,
                                                     "': ", reinterpret_cast<const char*>(text), " at offset ", at));
    }
    auto regex = std::unique_ptr<Regex>(new Regex(rule.name, code));
    uint32_t groups = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the regex '", rule.value, "' for the tag '", rule.name, "' has no group to take out"));
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return regex;
  }

  ~Regex() {
    pcre2_match_context_free(context_);
    pcre2_code_free(code_);
  }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  const std::string& name() const { return name_; }

  bool match(absl::string_view text, TagMatch& match) const {
    pcre2_match_data* data = pcre2_match_data_create_from_pattern(code_, nullptr);
    const int groups = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data, context_);
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
    const bool matched = groups > 1 && offsets[2] != PCRE2_UNSET;
    if (matched) {
      match.remove_begin = offsets[2];
      match.remove_end = offsets[3];
      const size_t value = groups > 2 && offsets[4] != PCRE2_UNSET ? 4 : 2;
      match.value = text.substr(offsets[value], offsets[value + 1] - offsets[value]);
    }
    pcre2_match_data_free(data);
    return matched;
  }

 private:
  Regex(std::string name, pcre2_code* code)
      : name_(std::move(name)), code_(code), context_(pcre2_match_context_create(nullptr)) {
    // A name has at most a few hundred characters; an expression that needs more steps than this runs away.
    pcre2_set_match_limit(context_, 100000);
  }

  const std::string name_;
  pcre2_code* const code_;
  pcre2_match_context* const context_;
};

TagExtractor::TagExtractor() = default;
TagExtractor::~TagExtractor() = default;

absl::StatusOr<std::unique_ptr<const TagExtractor>> TagExtractor::create(const TagConfig& config) {
  auto extractor = std::unique_ptr<TagExtractor>(new TagExtractor());
  std::vector<bool> defaults(defaultTags().size(), config.use_all_default_tags);
  for (const TagRule& rule : config.rules) {
    if (rule.name.empty()) {
      return absl::InvalidArgumentError("a tag has no name");
    }
    if (rule.fixed) {
      extractor->fixed_.push_back({rule.name, rule.value});
      continue;
    }
    if (!rule.value.empty()) {
      absl::StatusOr<std::unique_ptr<Regex>> regex = Regex::create(rule);
      if (!regex.ok()) {
        return regex.status();
      }
      extractor->regexes_.push_back(std::move(*regex));
      continue;
    }
    bool known = false;
    for (size_t i = 0; i < defaultTags().size(); ++i) {
      if (defaultTags()[i].name == rule.name) {
        defaults[i] = true;
        known = true;
      }
    }
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("no regex is given for the tag '", rule.name, "', and it is none of the default tags"));
    }
  }
  for (size_t i = 0; i < defaults.size(); ++i) {
    for (size_t first = 0; first < extractor->defaults_.size(); ++first) {
      if (defaults[i] && mayBegin(defaultTags()[i], static_cast<char>(first))) {
        extractor->defaults_[first].push_back(static_cast<uint8_t>(i));
      }
    }
  }
  return extractor;
}

std::string TagExtractor::extract(absl::string_view name, std::vector<Tag>& tags) const {
  tags.insert(tags.end(), fixed_.begin(), fixed_.end());
  const std::vector<absl::string_view> tokens = tokenize(name);
  // Every rule sees the whole name; what they take out may overlap.
  std::vector<std::pair<size_t, size_t>> removed;
  TagMatch match;
  absl::string_view last;
  const size_t first = name.empty() ? 0 : static_cast<unsigned char>(name.front());
  for (const uint8_t place : defaults_[first]) {
    const DefaultTag& rule = defaultTags()[place];
    if (rule.name != last && matchDefaultTag(rule, name, tokens, match)) {
      tags.push_back({std::string(rule.name), std::string(match.value)});
      removed.emplace_back(match.remove_begin, match.remove_end);
      last = rule.name;
    }
  }
  for (const std::unique_ptr<Regex>& regex : regexes_) {
    if (regex->match(name, match)) {
      const auto same_name = [&regex](const Tag& tag) { return tag.name == regex->name(); };
      if (std::none_of(tags.begin(), tags.end(), same_name)) {
        tags.push_back({regex->name(), std::string(match.value)});
        removed.emplace_back(match.remove_begin, match.remove_end);
      }
    }
  }
  std::sort(removed.begin(), removed.end());
  std::string rest;
  size_t at = 0;
  for (const auto& [begin, end] : removed) {
    if (begin > at) {
      rest.append(name.data() + at, begin - at);
    }
    at = std::max(at, end);
  }
  if (at < name.size()) {
    rest.append(name.data() + at, name.size() - at);
  }
  // Two last tokens that both went took one dot between them and left one.
  if (!removed.empty() && !rest.empty() && rest.back() == '.') {
    rest.pop_back();
  }
  return rest;
}

}  // namespace sluice::stats
