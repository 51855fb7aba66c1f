#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/matcher/ip_ranges.h"
#include "source/matcher/string_matcher.h"

namespace google::protobuf {
class Value;
}
namespace envoy::config::core::v3 {
class Metadata;
}

namespace sluice::matcher {

/** Asks something of a google.protobuf.Value. */
struct ValueMatcher {
  enum class Kind : uint8_t { Null, Number, NumberRange, String, Bool, Present, List, Or };

  Kind kind = Kind::Present;
  double number = 0;
  NumberRange<double> range;
  StringMatcher string;
  /** Of Bool and Present. */
  bool wanted = true;
  /** List: one, which some item is to match. Or: one of them is to match. */
  std::vector<ValueMatcher> inner;

  /** `value` is null where there is none. */
  bool matches(const google::protobuf::Value* value) const;
};

/** Asks something of the value that a path leads to in the metadata of one filter. */
struct MetadataMatcher {
  std::string filter;
  std::vector<std::string> path;
  ValueMatcher value;
  bool invert = false;

  /** `metadata` is null where there is none. */
  bool matches(const envoy::config::core::v3::Metadata* metadata) const;
};

/** Asks something of the text of an object of the filter state. */
struct FilterStateMatcher {
  std::string key;
  /** Either this or `addresses`. */
  std::optional<StringMatcher> string;
  IpRanges addresses;

  bool matches(absl::string_view text) const {
    return string.has_value() ? string->matches(text) : addresses.contains(text);
  }
};

}  // namespace sluice::matcher
