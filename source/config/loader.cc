#include "source/config/loader.h"

#include <cmath>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/any.pb.h"

#include "source/config/names.h"
#include "source/config/scalars.h"
#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Walks a tree of nodes against the descriptors of a message and fills it.
class MessageReader {
 public:
  MessageReader(const ParseOptions& options, Violations& violations, std::vector<std::string>* unknown_fields)
      : options_(options), violations_(violations), unknown_fields_(unknown_fields) {}

  void readMessage(const Node& node, Message& out, const PathStep& path) {
    switch (out.GetDescriptor()->well_known_type()) {
      case Descriptor::WELLKNOWNTYPE_ANY:
        return readAny(node, out, path);
      case Descriptor::WELLKNOWNTYPE_DURATION:
        return report(node, path, readDuration(node, out));
      case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
        return report(node, path, readTimestamp(node, out));
      case Descriptor::WELLKNOWNTYPE_FIELDMASK:
        return report(node, path, readFieldMask(node, out));
      case Descriptor::WELLKNOWNTYPE_STRUCT: {
        google::protobuf::Struct value;
        readStruct(node, value, path);
        return assign(value, out);
      }
      case Descriptor::WELLKNOWNTYPE_VALUE: {
        google::protobuf::Value value;
        readValue(node, value, path);
        return assign(value, out);
      }
      case Descriptor::WELLKNOWNTYPE_LISTVALUE: {
        google::protobuf::ListValue value;
        readListValue(node, value, path);
        return assign(value, out);
      }
      case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
        return readFields(node, out, path, "");
      default:
        return report(node, path, readScalar(node, *out.GetDescriptor()->field(0), out));
    }
  }

 private:
  void report(const Node& node, const PathStep& path, std::string reason) {
    if (!reason.empty()) {
      violations_.add(path.toString(), std::move(reason), node.line);
    }
  }

  bool expectMap(const Node& node, const PathStep& path) {
    if (node.kind != Node::Kind::Map) {
      report(node, path, absl::StrCat("expected a mapping, got ", node.describe()));
      return false;
    }
    return true;
  }

  // `leave_out` is a key that is not a field: an Any's "@type".
  void readFields(const Node& node, Message& out, const PathStep& path, absl::string_view leave_out) {
    if (node.kind == Node::Kind::Null || !expectMap(node, path)) {
      return;
    }
    const Descriptor& type = *out.GetDescriptor();
    absl::InlinedVector<bool, 64> seen(type.field_count());
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const Node& key = *node.items[i];
      const Node& value = *node.items[i + 1];
      if (value.ignored || (!leave_out.empty() && key.text == leave_out)) {
        continue;
      }
      const FieldDescriptor* field = findField(type, key.text);
      if (field == nullptr) {
        unknownField(key, type, PathStep(path, key.text));
        continue;
      }
      const PathStep field_path(path, field->name());
      if (seen[field->index()]) {
        report(key, field_path, "is given twice");
        continue;
      }
      seen[field->index()] = true;
      if (isUnset(value, *field)) {
        continue;
      }
      if (const auto* oneof = field->real_containing_oneof();
          oneof != nullptr && out.GetReflection()->HasOneof(out, oneof)) {
        const FieldDescriptor* other = out.GetReflection()->GetOneofFieldDescriptor(out, oneof);
        report(key, field_path,
               absl::StrCat("may not be given beside '", other->name(), "' (one of ", oneof->name(), ")"));
        continue;
      }
      readField(value, *field, out, field_path);
    }
  }

  void unknownField(const Node& key, const Descriptor& type, const PathStep& path) {
    if (!options_.allow_unknown_fields) {
      report(key, path, absl::StrCat("unknown field", suggestField(type, key.text)));
    } else if (unknown_fields_ != nullptr) {
      unknown_fields_->push_back(path.toString());
    }
  }

  // null is the same as nothing, but for the types that can hold it.
  static bool isUnset(const Node& value, const FieldDescriptor& field) {
    if (value.kind != Node::Kind::Null) {
      return false;
    }
    if (field.is_repeated()) {
      return true;
    }
    const bool holds_null =
        (field.message_type() != nullptr &&
         field.message_type()->well_known_type() == Descriptor::WELLKNOWNTYPE_VALUE) ||
        (field.enum_type() != nullptr && field.enum_type()->full_name() == "google.protobuf.NullValue");
    return !holds_null;
  }

  void readField(const Node& node, const FieldDescriptor& field, Message& out, const PathStep& path) {
    if (field.is_map()) {
      return readMap(node, field, out, path);
    }
    if (field.is_repeated()) {
      return readList(node, field, out, path);
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return readMessage(node, *out.GetReflection()->MutableMessage(&out, &field), path);
    }
    report(node, path, readScalar(node, field, out));
  }

  void readList(const Node& node, const FieldDescriptor& field, Message& out, const PathStep& path) {
    if (node.kind != Node::Kind::Sequence) {
      return report(node, path, absl::StrCat("expected a list, got ", node.describe()));
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const PathStep item_path(path, i);
      const Node& item = *node.items[i];
      if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        report(item, item_path, readScalar(item, field, out));
        continue;
      }
      Message& element = *out.GetReflection()->AddMessage(&out, &field);
      if (item.kind == Node::Kind::Null && field.message_type()->well_known_type() != Descriptor::WELLKNOWNTYPE_VALUE) {
        report(item, item_path, "is empty");
        continue;
      }
      readMessage(item, element, item_path);
    }
  }

  void readMap(const Node& node, const FieldDescriptor& field, Message& out, const PathStep& path) {
    if (!expectMap(node, path)) {
      return;
    }
    const FieldDescriptor& key_field = *field.message_type()->map_key();
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    absl::flat_hash_set<absl::string_view> seen;
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      Node key = *node.items[i];
      const Node& value = *node.items[i + 1];
      if (value.ignored) {
        continue;
      }
      const PathStep entry_path = PathStep::mapKey(path, key.text);
      if (!seen.insert(key.text).second) {
        report(key, entry_path, "is given twice");
        continue;
      }
      // A key is written as a string whatever its type.
      key.kind = key_field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? Node::Kind::String : Node::Kind::Plain;
      Message& entry = *out.GetReflection()->AddMessage(&out, &field);
      std::string error = readScalar(key, key_field, entry);
      if (!error.empty()) {
        report(key, entry_path, std::move(error));
        continue;
      }
      if (value.kind == Node::Kind::Null && isUnset(value, value_field)) {
        report(value, entry_path, "is empty");
        continue;
      }
      readField(value, value_field, entry, entry_path);
    }
  }

  void readAny(const Node& node, Message& out, const PathStep& path) {
    if (!expectMap(node, path)) {
      return;
    }
    const Node* type_url = nullptr;
    const Node* value = nullptr;
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      if (node.items[i]->text == "@type") {
        if (type_url != nullptr) {
          return report(*node.items[i], PathStep(path, "@type"), "is given twice");
        }
        type_url = node.items[i + 1];
      } else if (node.items[i]->text == "value") {
        value = node.items[i + 1];
      }
    }
    if (type_url == nullptr) {
      if (!node.items.empty()) {
        report(node, path, "'@type' is missing");
      }
      return;
    }
    const PathStep type_path(path, "@type");
    if (type_url->kind != Node::Kind::Plain && type_url->kind != Node::Kind::String) {
      return report(*type_url, type_path, absl::StrCat("expected a string, got ", type_url->describe()));
    }
    const Descriptor* type = findMessage(type_url->text);
    if (type == nullptr) {
      return report(*type_url, type_path, absl::StrCat("unknown type '", type_url->text, "'"));
    }
    const std::unique_ptr<Message> message = newMessage(*type);
    if (type->well_known_type() == Descriptor::WELLKNOWNTYPE_UNSPECIFIED) {
      readFields(node, *message, path, "@type");
    } else {
      readWellKnownAny(node, value, *message, path);
    }
    google::protobuf::Any any;
    any.set_type_url(std::string(type_url->text));
    any.set_value(message->SerializeAsString());
    assign(any, out);
  }

  // A type with a JSON form of its own stands in "value".
  void readWellKnownAny(const Node& node, const Node* value, Message& message, const PathStep& path) {
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const absl::string_view key = node.items[i]->text;
      if (key != "@type" && key != "value") {
        unknownField(*node.items[i], *message.GetDescriptor(), PathStep(path, key));
      }
    }
    if (value == nullptr) {
      return report(node, path, "'value' is missing");
    }
    readMessage(*value, message, PathStep(path, "value"));
  }

  void readStruct(const Node& node, google::protobuf::Struct& out, const PathStep& path) {
    if (!expectMap(node, path)) {
      return;
    }
    auto& fields = *out.mutable_fields();
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const absl::string_view key = node.items[i]->text;
      const PathStep field_path(path, key);
      if (node.items[i + 1]->ignored) {
        continue;
      }
      const auto [entry, inserted] = fields.insert({std::string(key), google::protobuf::Value()});
      if (!inserted) {
        report(*node.items[i], field_path, "is given twice");
        continue;
      }
      readValue(*node.items[i + 1], entry->second, field_path);
    }
  }

  void readListValue(const Node& node, google::protobuf::ListValue& out, const PathStep& path) {
    if (node.kind != Node::Kind::Sequence) {
      return report(node, path, absl::StrCat("expected a list, got ", node.describe()));
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      readValue(*node.items[i], *out.add_values(), PathStep(path, i));
    }
  }

  void readValue(const Node& node, google::protobuf::Value& out, const PathStep& path) {
    if (node.kind == Node::Kind::Map) {
      readStruct(node, *out.mutable_struct_value(), path);
    } else if (node.kind == Node::Kind::Sequence) {
      readListValue(node, *out.mutable_list_value(), path);
    } else {
      readAnyScalar(node, out);
    }
  }

  const ParseOptions& options_;
  Violations& violations_;
  std::vector<std::string>* unknown_fields_;
};

/// Turns a Struct into the tree that its text would have given.
class StructTree {
 public:
  const Node* fromStruct(const google::protobuf::Struct& value) {
    Node* node = document_.newNode(Node::Kind::Map, 0);
    for (const auto& [name, field] : value.fields()) {
      Node* key = document_.newNode(Node::Kind::String, 0);
      key->text = name;
      node->items.push_back(key);
      node->items.push_back(fromValue(field));
    }
    return node;
  }

 private:
  const Node* fromValue(const google::protobuf::Value& value) {
    using google::protobuf::Value;
    switch (value.kind_case()) {
      case Value::kStructValue:
        return fromStruct(value.struct_value());
      case Value::kListValue: {
        Node* node = document_.newNode(Node::Kind::Sequence, 0);
        for (const Value& element : value.list_value().values()) {
          node->items.push_back(fromValue(element));
        }
        return node;
      }
      case Value::kStringValue: {
        Node* node = document_.newNode(Node::Kind::String, 0);
        node->text = value.string_value();
        return node;
      }
      case Value::kBoolValue: {
        Node* node = document_.newNode(Node::Kind::Plain, 0);
        node->text = value.bool_value() ? "true" : "false";
        return node;
      }
      case Value::kNumberValue: {
        Node* node = document_.newNode(Node::Kind::Plain, 0);
        node->text = document_.keep(numberText(value.number_value()));
        return node;
      }
      case Value::kNullValue:
      case Value::KIND_NOT_SET:
        break;
    }
    return document_.newNode(Node::Kind::Null, 0);
  }

  static std::string numberText(double number) {
    if (std::isnan(number)) {
      return "NaN";
    }
    if (std::isinf(number)) {
      return number > 0 ? "Infinity" : "-Infinity";
    }
    return absl::StrFormat("%.17g", number);
  }

  Document document_;
};

}  // namespace

bool parseYaml(absl::string_view text, Message& out, const ParseOptions& options, SourceMap* locations,
               Violations& violations, std::vector<std::string>* unknown_fields) {
  out.Clear();
  const size_t before = violations.size();
  const std::shared_ptr<const Document> document = Document::parse(text, options.format, violations);
  if (document == nullptr) {
    return false;
  }
  if (locations != nullptr) {
    *locations = SourceMap(document);
  }
  MessageReader(options, violations, unknown_fields).readMessage(document->root(), out, PathStep(""));
  return violations.size() == before;
}

Format formatOf(absl::string_view file_name) {
  if (absl::EndsWithIgnoreCase(file_name, ".json")) {
    return Format::Json;
  }
  if (absl::EndsWithIgnoreCase(file_name, ".yaml") || absl::EndsWithIgnoreCase(file_name, ".yml")) {
    return Format::Yaml;
  }
  return Format::Auto;
}

bool structToMessage(const google::protobuf::Struct& value, Message& out, const FieldPath& path,
                     Violations& violations) {
  out.Clear();
  const size_t before = violations.size();
  StructTree tree;
  const ParseOptions options;
  MessageReader(options, violations, nullptr).readMessage(*tree.fromStruct(value), out, PathStep(path.toString()));
  return violations.size() == before;
}

}  // namespace sluice::config
