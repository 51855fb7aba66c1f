#include "source/access_log/metadata_value.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"

#include "source/access_log/json_text.h"

namespace sluice::access_log {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

/** One of them is set, or neither when nothing is there. */
struct Found {
  const Struct* whole = nullptr;
  const Value* value = nullptr;
};

Found find(const envoy::config::core::v3::Metadata* metadata, const std::vector<std::string>& path) {
  Found out;
  if (metadata == nullptr || path.empty()) {
    return out;
  }
  const auto space = metadata->filter_metadata().find(path[0]);
  if (space == metadata->filter_metadata().end()) {
    return out;
  }
  out.whole = &space->second;
  for (size_t i = 1; i < path.size(); ++i) {
    if (out.whole == nullptr) {
      return {};
    }
    const auto field = out.whole->fields().find(path[i]);
    if (field == out.whole->fields().end()) {
      return {};
    }
    out.value = &field->second;
    out.whole = out.value->has_struct_value() ? &out.value->struct_value() : nullptr;
  }
  return out;
}

}  // namespace

bool appendMetadataText(const envoy::config::core::v3::Metadata* metadata, const std::vector<std::string>& path,
                        std::string& out) {
  const Found found = find(metadata, path);
  if (found.value != nullptr && found.value->kind_case() == Value::kStringValue) {
    out += found.value->string_value();
    return true;
  }
  if (found.value != nullptr && found.value->kind_case() == Value::kNullValue) {
    return false;
  }
  return appendMetadataJson(metadata, path, out);
}

bool appendMetadataJson(const envoy::config::core::v3::Metadata* metadata, const std::vector<std::string>& path,
                        std::string& out) {
  const Found found = find(metadata, path);
  if (found.value != nullptr) {
    appendJsonValue(*found.value, out);
    return true;
  }
  if (found.whole != nullptr) {
    appendJsonStruct(*found.whole, out);
    return true;
  }
  return false;
}

void appendJsonValue(const Value& value, std::string& out) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      appendJsonNumber(value.number_value(), out);
      break;
    case Value::kStringValue:
      appendJsonString(value.string_value(), out);
      break;
    case Value::kBoolValue:
      out += value.bool_value() ? "true" : "false";
      break;
    case Value::kStructValue:
      appendJsonStruct(value.struct_value(), out);
      break;
    case Value::kListValue: {
      out += '[';
      const char* separator = "";
      for (const Value& element : value.list_value().values()) {
        out += separator;
        separator = ",";
        appendJsonValue(element, out);
      }
      out += ']';
      break;
    }
    default:
      out += "null";
      break;
  }
}

void appendJsonStruct(const Struct& value, std::string& out) {
  absl::InlinedVector<std::pair<absl::string_view, const Value*>, 16> fields;
  for (const auto& [name, field] : value.fields()) {
    fields.emplace_back(name, &field);
  }
  std::sort(fields.begin(), fields.end());
  out += '{';
  const char* separator = "";
  for (const auto& [name, field] : fields) {
    out += separator;
    separator = ",";
    appendJsonString(name, out);
    out += ':';
    appendJsonValue(*field, out);
  }
  out += '}';
}

}  // namespace sluice::access_log
