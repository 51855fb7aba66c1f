#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "re2/re2.h"
#include "validate/validate.pb.h"

#include "source/config/wire.h"

namespace sluice::config {

/// The `validate.rules` of a field, or of a list's items or a map's keys or values, made ready to check values by.
/// The meaning is protoc-gen-validate's. Immutable; the rules belong to the descriptor and outlive it.
class ValueRules {
 public:
  /// Null if the field carries no rules.
  static std::unique_ptr<const ValueRules> ofField(const google::protobuf::FieldDescriptor& field);

  /// True if a message field must be set.
  bool required() const;
  /// True if what is inside a message field is not to be checked.
  bool skipsContent() const { return rules_.message().skip(); }
  /// Whether the rules leave out a value that is empty or zero.
  bool ignoresEmpty() const;

  /// Each check returns an empty string or why the value is refused, to follow the field's path: "must not be empty".

  /// The value of a singular field or a list's item: a scalar, or a message whose content has rules of its own here (a
  /// wrapper, Duration, Timestamp, Any).
  std::string check(const google::protobuf::FieldDescriptor& field, const WireValue& value) const;
  /// The number of a list's items or a map's entries.
  std::string checkSize(int size) const;
  /// Whether a list's items may be equal.
  std::string checkUnique(const google::protobuf::FieldDescriptor& field, absl::string_view whole) const;

  /// The rules for a list's items or a map's values, and for a map's keys; null if there are none.
  const ValueRules* items() const { return items_.get(); }
  const ValueRules* keys() const { return keys_.get(); }

 private:
  explicit ValueRules(const validate::FieldRules& rules);

  std::string checkString(absl::string_view value) const;
  std::string checkBytes(absl::string_view value) const;
  std::string checkEnum(int value, const google::protobuf::EnumDescriptor& type) const;
  std::string checkMessage(const google::protobuf::Descriptor& type, absl::string_view value) const;
  template <typename T>
  std::string checkNumber(T value) const;

  const validate::FieldRules& rules_;
  std::unique_ptr<const re2::RE2> pattern_;
  std::unique_ptr<const ValueRules> items_;
  std::unique_ptr<const ValueRules> keys_;
};

}  // namespace sluice::config
