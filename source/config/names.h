#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace sluice::config {

/// "connect_timeout" as JSON spells it: "connectTimeout".
std::string lowerCamel(absl::string_view snake);

/// The field that a text means by `name`, in either spelling; null if there is none.
const google::protobuf::FieldDescriptor* findField(const google::protobuf::Descriptor& type, absl::string_view name);

/// " (did you mean 'x'?)" for the field that `name` is probably a misspelling of.
std::string suggestField(const google::protobuf::Descriptor& type, absl::string_view name);

/// As suggestField, for an enum's values.
std::string suggestValue(const google::protobuf::EnumDescriptor& type, absl::string_view name);

}  // namespace sluice::config
