#include "source/matcher/metadata_matcher.h"

#include <algorithm>

#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::matcher {

using google::protobuf::Value;

bool ValueMatcher::matches(const Value* value) const {
  const Value::KindCase kind_set = value == nullptr ? Value::KIND_NOT_SET : value->kind_case();
  switch (kind) {
    case Kind::Null:
      return kind_set == Value::kNullValue;
    case Kind::Number:
      return kind_set == Value::kNumberValue && value->number_value() == number;
    case Kind::NumberRange:
      return kind_set == Value::kNumberValue && range.contains(value->number_value());
    case Kind::String:
      return kind_set == Value::kStringValue && string.matches(value->string_value());
    case Kind::Bool:
      return kind_set == Value::kBoolValue && value->bool_value() == wanted;
    case Kind::Present:
      return (kind_set != Value::KIND_NOT_SET) == wanted;
    case Kind::List:
      return kind_set == Value::kListValue &&
             std::any_of(value->list_value().values().begin(), value->list_value().values().end(),
                         [this](const Value& item) { return inner.front().matches(&item); });
    case Kind::Or:
      return std::any_of(inner.begin(), inner.end(),
                         [value](const ValueMatcher& matcher) { return matcher.matches(value); });
  }
  return false;
}

bool MetadataMatcher::matches(const envoy::config::core::v3::Metadata* metadata) const {
  const google::protobuf::Struct* at = nullptr;
  if (metadata != nullptr) {
    const auto found = metadata->filter_metadata().find(filter);
    at = found == metadata->filter_metadata().end() ? nullptr : &found->second;
  }
  const Value* found_value = nullptr;
  for (const std::string& key : path) {
    if (at == nullptr) {
      found_value = nullptr;
      break;
    }
    const auto found = at->fields().find(key);
    found_value = found == at->fields().end() ? nullptr : &found->second;
    at = found_value != nullptr && found_value->has_struct_value() ? &found_value->struct_value() : nullptr;
  }
  return value.matches(found_value) != invert;
}

}  // namespace sluice::matcher
