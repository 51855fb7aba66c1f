#include "source/admin/redact.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "udpa/annotations/sensitive.pb.h"

#include "source/config/type_registry.h"

namespace sluice::admin {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kRedacted[] = "[redacted]";

bool isSensitive(const FieldDescriptor& field) { return field.options().GetExtension(udpa::annotations::sensitive); }

/** Whether a message of the type can hold a sensitive field, or an Any, at any depth. */
bool search(const Descriptor& type) {
  absl::flat_hash_set<const Descriptor*> seen = {&type};
  std::vector<const Descriptor*> left = {&type};
  while (!left.empty()) {
    const Descriptor* at = left.back();
    left.pop_back();
    if (at == Any::descriptor() || at->full_name() == "google.protobuf.Any") {
      return true;
    }
    for (int i = 0; i < at->field_count(); ++i) {
      if (isSensitive(*at->field(i))) {
        return true;
      }
      if (const Descriptor* inner = at->field(i)->message_type(); inner != nullptr && seen.insert(inner).second) {
        left.push_back(inner);
      }
    }
  }
  return false;
}

bool mayHoldSecrets(const Descriptor& type) {
  thread_local absl::flat_hash_map<const Descriptor*, bool> known;
  const auto found = known.find(&type);
  if (found != known.end()) {
    return found->second;
  }
  const bool may = search(type);
  known.emplace(&type, may);
  return may;
}

bool redactMessage(Message& message, bool sensitive);

bool redactAny(Message& any, bool sensitive) {
  const Reflection& reflection = *any.GetReflection();
  const FieldDescriptor* url = any.GetDescriptor()->FindFieldByNumber(Any::kTypeUrlFieldNumber);
  const FieldDescriptor* value = any.GetDescriptor()->FindFieldByNumber(Any::kValueFieldNumber);
  Any packed;
  packed.set_type_url(reflection.GetString(any, url));
  packed.set_value(reflection.GetString(any, value));
  const Descriptor* type = config::findMessage(config::extensionTypeName(packed));
  if (type == nullptr || (!sensitive && !mayHoldSecrets(*type))) {
    return false;
  }
  config::Violations broken;
  const std::unique_ptr<Message> inside = config::unpackExtension(packed, config::FieldPath(), broken);
  if (inside == nullptr || !redactMessage(*inside, sensitive)) {
    return false;
  }
  reflection.SetString(&any, url, "type.googleapis.com/" + type->full_name());
  reflection.SetString(&any, value, inside->SerializeAsString());
  return true;
}

bool redactScalars(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    reflection.ClearField(&message, &field);
    return true;
  }
  if (!field.is_repeated()) {
    reflection.SetString(&message, &field, kRedacted);
    return true;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    reflection.SetRepeatedString(&message, &field, i, kRedacted);
  }
  return true;
}

bool redactField(Message& message, const FieldDescriptor& field, bool sensitive) {
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return sensitive && redactScalars(message, field);
  }
  if (!field.is_repeated()) {
    return redactMessage(*reflection.MutableMessage(&message, &field), sensitive);
  }
  bool changed = false;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    Message& element = *reflection.MutableRepeatedMessage(&message, &field, i);
    if (!field.is_map()) {
      changed = redactMessage(element, sensitive) || changed;
    } else {
      // Keys are names.
      changed = redactField(element, *field.message_type()->map_value(), sensitive) || changed;
    }
  }
  return changed;
}

bool redactMessage(Message& message, bool sensitive) {
  const Descriptor& type = *message.GetDescriptor();
  if (!sensitive && !mayHoldSecrets(type)) {
    return false;
  }
  if (type.full_name() == "google.protobuf.Any") {
    return redactAny(message, sensitive);
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  bool changed = false;
  for (const FieldDescriptor* field : fields) {
    changed = redactField(message, *field, sensitive || isSensitive(*field)) || changed;
  }
  return changed;
}

}  // namespace

bool redact(Message& message) { return redactMessage(message, false); }

}  // namespace sluice::admin
