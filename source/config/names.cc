#include "source/config/names.h"

#include <vector>

#include "absl/strings/ascii.h"

#include "source/config/nearest.h"

namespace sluice::config {

std::string lowerCamel(absl::string_view snake) {
  std::string out;
  out.reserve(snake.size());
  bool upper = false;
  for (const char c : snake) {
    if (c == '_') {
      upper = true;
    } else {
      out.push_back(upper ? absl::ascii_toupper(c) : c);
      upper = false;
    }
  }
  return out;
}

const google::protobuf::FieldDescriptor* findField(const google::protobuf::Descriptor& type, absl::string_view name) {
  const std::string wanted(name);
  if (const auto* field = type.FindFieldByName(wanted)) {
    return field;
  }
  const auto* field = type.FindFieldByCamelcaseName(wanted);
  if (field != nullptr && field->json_name() == wanted) {
    return field;
  }
  // Names that a proto spells differently in JSON (json_name) are rare.
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->has_json_name() && type.field(i)->json_name() == wanted) {
      return type.field(i);
    }
  }
  return nullptr;
}

std::string suggestField(const google::protobuf::Descriptor& type, absl::string_view name) {
  std::vector<std::string> names;
  names.reserve(type.field_count());
  for (int i = 0; i < type.field_count(); ++i) {
    names.push_back(type.field(i)->name());
  }
  return didYouMean(name, names);
}

std::string suggestValue(const google::protobuf::EnumDescriptor& type, absl::string_view name) {
  std::vector<std::string> names;
  names.reserve(type.value_count());
  for (int i = 0; i < type.value_count(); ++i) {
    names.push_back(type.value(i)->name());
  }
  return didYouMean(name, names);
}

}  // namespace sluice::config
