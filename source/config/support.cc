#include "source/config/support.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/util/time_util.h"

#include "source/base/assert.h"
#include "source/config/scalars.h"
#include "source/config/support_text.h"
#include "source/config/type_registry.h"

namespace sluice::config {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const FieldSupport& MessageSupport::field(absl::string_view name) const {
  static const auto* supported = new FieldSupport{Support::Supported, {}, ""};
  static const auto* refused = new FieldSupport;
  const auto it = fields.find(name);
  return it != fields.end() ? it->second : all ? *supported : *refused;
}

/// Reads support.txt line by line.
class SupportReader {
 public:
  absl::StatusOr<SupportTable> read(absl::string_view text) {
    int number = 0;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number;
      line = absl::StripAsciiWhitespace(line);
      if (line.empty() || line.front() == '#') {
        continue;
      }
      const std::string error = readLine(line);
      if (!error.empty()) {
        return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", error));
      }
    }
    return std::move(table_);
  }

 private:
  std::string readLine(absl::string_view line) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto& [verb, rest] = parts;
    if (verb == "section") {
      table_.sections_.push_back({std::string(rest), {}});
      return "";
    }
    if (verb == "message") {
      return beginMessage(rest);
    }
    const std::pair<absl::string_view, absl::string_view> halves = absl::StrSplit(rest, absl::MaxSplits(": ", 1));
    const std::string note(halves.second);
    if (verb == "supports") {
      return addFields(halves.first, {Support::Supported, {}, note});
    }
    if (verb == "carries") {
      return addFields(halves.first, {Support::Carried, {}, note});
    }
    if (verb == "offers") {
      return addFields(halves.first, {Support::Offered, {}, note});
    }
    if (verb == "ignores") {
      return note.empty() ? "what is ignored needs a reason" : addFields(halves.first, {Support::Ignored, {}, note});
    }
    if (verb == "refuses") {
      return note.empty() ? "what is only refused need not be named; give a reason"
                          : addFields(halves.first, {Support::Refused, {}, note});
    }
    if (verb == "limits") {
      const std::vector<std::string> fields_and_values = absl::StrSplit(halves.first, absl::MaxSplits(" to ", 1));
      if (fields_and_values.size() != 2) {
        return "expected 'limits FIELD to VALUE...'";
      }
      return addFields(fields_and_values[0],
                       {Support::Limited, absl::StrSplit(fields_and_values[1], ' ', absl::SkipEmpty()), note});
    }
    return absl::StrCat("unknown word '", verb, "'");
  }

  std::string beginMessage(absl::string_view rest) {
    const bool all = absl::ConsumeSuffix(&rest, " all");
    const std::string name(rest);
    if (table_.sections_.empty()) {
      return "a message stands before the first section";
    }
    const auto [entry, inserted] = table_.messages_.try_emplace(name);
    if (!inserted) {
      return absl::StrCat(name, " is listed twice");
    }
    entry->second.name = name;
    entry->second.all = all;
    current_ = name;
    table_.sections_.back().messages.push_back(name);
    return "";
  }

  std::string addFields(absl::string_view names, const FieldSupport& support) {
    if (current_.empty()) {
      return "a field stands before the first message";
    }
    MessageSupport& message = table_.messages_[current_];
    for (const absl::string_view name : absl::StrSplit(names, ' ', absl::SkipEmpty())) {
      if (!message.fields.try_emplace(std::string(name), support).second) {
        return absl::StrCat("field ", name, " is listed twice");
      }
      message.order.emplace_back(name);
    }
    return "";
  }

  SupportTable table_;
  std::string current_;
};

namespace {

bool canHold(const FieldDescriptor& field, const std::string& value) {
  if (field.enum_type() != nullptr) {
    return field.enum_type()->FindValueByName(value) != nullptr;
  }
  const Descriptor* type = field.message_type();
  if (type == nullptr) {
    return field.cpp_type() != FieldDescriptor::CPPTYPE_BOOL || value == "true" || value == "false";
  }
  switch (type->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
      return value == "{}";
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return absl::EndsWith(value, "s");
    default:
      return type->field_count() == 1 && canHold(*type->field(0), value);
  }
}

}  // namespace

const SupportTable& SupportTable::builtin() {
  static const SupportTable* table = [] {
    absl::StatusOr<SupportTable> parsed = parse(supportText());
    SLUICE_CHECK(parsed.ok(), absl::StrCat("api/support.txt: ", parsed.status().message()));
    return new SupportTable(*std::move(parsed));
  }();
  return *table;
}

absl::StatusOr<SupportTable> SupportTable::parse(absl::string_view text) { return SupportReader().read(text); }

const MessageSupport* SupportTable::find(const std::string& full_name) const {
  const auto it = messages_.find(full_name);
  return it == messages_.end() ? nullptr : &it->second;
}

Violations SupportTable::check() const {
  Violations violations;
  for (const Section& section : sections_) {
    for (const std::string& name : section.messages) {
      const Descriptor* type = findMessage(name);
      if (type == nullptr) {
        violations.add(name, "there is no such message");
        continue;
      }
      const MessageSupport& message = *find(name);
      for (const std::string& field_name : message.order) {
        const FieldPath path = FieldPath(name).field(field_name);
        const FieldDescriptor* field = type->FindFieldByName(field_name);
        if (field == nullptr) {
          violations.add(path, "there is no such field");
          continue;
        }
        for (const std::string& value : message.field(field_name).values) {
          if (!canHold(*field, value)) {
            violations.add(path, absl::StrCat("it has no value '", value, "'"));
          }
        }
      }
    }
  }
  return violations;
}

std::string supportValue(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool single = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(single ? reflection.GetInt32(message, &field)
                                 : reflection.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(single ? reflection.GetInt64(message, &field)
                                 : reflection.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(single ? reflection.GetUInt32(message, &field)
                                 : reflection.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(single ? reflection.GetUInt64(message, &field)
                                 : reflection.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(single ? reflection.GetDouble(message, &field)
                                 : reflection.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrCat(single ? reflection.GetFloat(message, &field)
                                 : reflection.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (single ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return single ? reflection.GetString(message, &field) : reflection.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number =
          single ? reflection.GetEnumValue(message, &field) : reflection.GetRepeatedEnumValue(message, &field, index);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value == nullptr ? absl::StrCat(number) : value->name();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Message& value =
      single ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
  switch (value.GetDescriptor()->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
      return value.ByteSizeLong() == 0 ? "{}" : "{…}";
    case Descriptor::WELLKNOWNTYPE_DURATION: {
      google::protobuf::Duration duration;
      assign(value, duration);
      return google::protobuf::util::TimeUtil::ToString(duration);
    }
    default:
      return value.GetDescriptor()->field_count() == 1 ? supportValue(value, *value.GetDescriptor()->field(0), -1)
                                                       : "{…}";
  }
}

}  // namespace sluice::config
