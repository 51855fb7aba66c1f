#include "source/config/validate.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/map_field.h"
#include "google/protobuf/unknown_field_set.h"

#include "source/config/scalars.h"
#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string withNote(const std::string& reason, const std::string& note) {
  return note.empty() ? reason : absl::StrCat(reason, ": ", note);
}

// What a wrapper, Struct or the like holds has no rules and cannot be unsupported.
bool isPlainValue(const Descriptor& type) {
  return type.well_known_type() != Descriptor::WELLKNOWNTYPE_UNSPECIFIED &&
         type.well_known_type() != Descriptor::WELLKNOWNTYPE_ANY;
}

/// How much the support table counts for what is inside of a field.
enum class Judge {
  Yes,
  Listed,  // inside of what is offered: an extension that is not listed is left alone
  No,      // inside of what is ignored or only carried
};

/// One walk through a message.
class Walk {
 public:
  Walk(PlanCache& plans, Report& report) : plans_(plans), report_(report) {}

  void message(const Message& message, const MessagePlan& plan, const PathStep& path, Judge judge) {
    if (judge != Judge::No && plan.support() == nullptr) {
      violation(path, absl::StrCat(plan.type().full_name(), " is not supported by Sluice"));
      return;
    }
    unknownFields(message, path);
    const Reflection& reflection = *message.GetReflection();
    for (const FieldPlan& field : plan.fields()) {
      if (field.field->is_repeated()) {
        list(message, reflection, plan, field, path, judge);
      } else if (reflection.HasField(message, field.field)) {
        single(message, reflection, plan, field, path, judge);
      } else if (field.required && !field.in_oneof) {
        violation(PathStep(path, field.field->name()), "is required");
      } else if (!field.unset_reason.empty()) {
        violation(PathStep(path, field.field->name()), field.unset_reason);
      }
    }
    for (const auto* oneof : plan.requiredOneofs()) {
      if (!reflection.HasOneof(message, oneof)) {
        violation(path, absl::StrCat("one of ", memberNames(*oneof), " is required"));
      }
    }
  }

 private:
  void violation(const PathStep& path, std::string reason) {
    report_.violations.add(path.toString(), std::move(reason));
  }

  static std::string memberNames(const google::protobuf::OneofDescriptor& oneof) {
    std::vector<absl::string_view> names;
    for (int i = 0; i < oneof.field_count(); ++i) {
      names.push_back(oneof.field(i)->name());
    }
    return absl::StrJoin(names, ", ");
  }

  void unknownFields(const Message& message, const PathStep& path) {
    const auto& unknown = message.GetReflection()->GetUnknownFields(message);
    for (int i = 0; i < unknown.field_count(); ++i) {
      const std::string where = path.toString();
      report_.unknown.push_back(
          absl::StrCat(where, where.empty() ? "" : " ", "(field ", unknown.field(i).number(), ")"));
    }
  }

  // Whether the field may be looked into; a refused one is not, since all in it would only be refused again.
  bool judgeField(const Message& message, const FieldPlan& field, const PathStep& path, int count) {
    const FieldSupport& support = *field.support;
    switch (support.support) {
      case Support::Supported:
      case Support::Carried:
      case Support::Offered:
        return true;
      case Support::Ignored:
        ignored(*field.field);
        return true;
      case Support::Refused:
        violation(path, withNote("is not supported by Sluice", support.note));
        return false;
      case Support::Limited:
        break;
    }
    bool good = true;
    for (int i = count < 0 ? -1 : 0; i < std::max(count, 0); ++i) {
      const std::string value = supportValue(message, *field.field, i);
      if (std::find(support.values.begin(), support.values.end(), value) == support.values.end()) {
        const std::string reason =
            absl::StrCat(value, " is not supported by Sluice, only ", absl::StrJoin(support.values, ", "));
        violation(i < 0 ? path : PathStep(path, static_cast<size_t>(i)), withNote(reason, support.note));
        good = false;
      }
    }
    return good;
  }

  void ignored(const FieldDescriptor& field) {
    if (std::find(report_.ignored.begin(), report_.ignored.end(), field.full_name()) == report_.ignored.end()) {
      report_.ignored.push_back(field.full_name());
    }
  }

  static Judge contentJudge(const FieldPlan& field, Judge judge) {
    switch (field.support->support) {
      case Support::Carried:
      case Support::Ignored:
        return Judge::No;
      case Support::Offered:
        return judge == Judge::Yes ? Judge::Listed : judge;
      default:
        return judge;
    }
  }

  void single(const Message& message, const Reflection& reflection, const MessagePlan& plan, const FieldPlan& field,
              const PathStep& parent, Judge judge) {
    const PathStep path(parent, field.field->name());
    if (judge != Judge::No && !judgeField(message, field, path, -1)) {
      return;
    }
    if (field.rules != nullptr) {
      checked(path, field.rules->check(message, *field.field, -1));
    }
    if (field.content != nullptr && !(field.rules != nullptr && field.rules->skipsContent())) {
      content(reflection.GetMessage(message, field.field), plan, field, path, contentJudge(field, judge));
    }
  }

  void list(const Message& message, const Reflection& reflection, const MessagePlan& plan, const FieldPlan& field,
            const PathStep& parent, Judge judge) {
    const int size = reflection.FieldSize(message, field.field);
    if (size == 0 && field.rules == nullptr) {
      return;
    }
    const PathStep path(parent, field.field->name());
    const bool map = field.field->is_map();
    if (judge != Judge::No && size > 0 && !judgeField(message, field, path, map ? 0 : size)) {
      return;
    }
    if (field.rules != nullptr) {
      checked(path, field.rules->checkSize(size));
      if (size == 0) {
        return;
      }
      if (!map) {
        checked(path, field.rules->checkUnique(message, *field.field));
      }
    }
    const ValueRules* items = field.rules != nullptr ? field.rules->items() : nullptr;
    const ValueRules* keys = field.rules != nullptr ? field.rules->keys() : nullptr;
    if (items == nullptr && keys == nullptr && field.content == nullptr) {
      return;
    }
    const Judge judge_content = contentJudge(field, judge);
    for (int i = 0; i < size; ++i) {
      if (map) {
        entry(reflection.GetRepeatedMessage(message, field.field, i), plan, field, path, judge_content);
        continue;
      }
      const PathStep item_path(path, static_cast<size_t>(i));
      if (items != nullptr) {
        checked(item_path, items->check(message, *field.field, i));
      }
      if (field.content != nullptr && !(items != nullptr && items->skipsContent())) {
        content(reflection.GetRepeatedMessage(message, field.field, i), plan, field, item_path, judge_content);
      }
    }
  }

  void entry(const Message& entry, const MessagePlan& plan, const FieldPlan& field, const PathStep& parent,
             Judge judge) {
    const FieldDescriptor& key = *entry.GetDescriptor()->map_key();
    const FieldDescriptor& value = *entry.GetDescriptor()->map_value();
    const std::string key_text = supportValue(entry, key, -1);
    const PathStep path = PathStep::mapKey(parent, key_text);
    const ValueRules* items = field.rules != nullptr ? field.rules->items() : nullptr;
    if (field.rules != nullptr && field.rules->keys() != nullptr) {
      checked(path, field.rules->keys()->check(entry, key, -1), "its key ");
    }
    if (items != nullptr) {
      checked(path, items->check(entry, value, -1));
    }
    if (field.content != nullptr && !(items != nullptr && items->skipsContent())) {
      content(entry.GetReflection()->GetMessage(entry, &value), plan, field, path, judge);
    }
  }

  void checked(const PathStep& path, const std::string& reason, absl::string_view subject = "") {
    if (!reason.empty()) {
      violation(path, absl::StrCat(subject, reason));
    }
  }

  void content(const Message& value, const MessagePlan& plan, const FieldPlan& field, const PathStep& path,
               Judge judge) {
    switch (field.content->well_known_type()) {
      case Descriptor::WELLKNOWNTYPE_ANY:
        unknownFields(value, path);
        if (value.GetDescriptor() == google::protobuf::Any::descriptor()) {
          any(static_cast<const google::protobuf::Any&>(value), path, judge);
        } else {
          google::protobuf::Any copy;
          assign(value, copy);
          any(copy, path, judge);
        }
        return;
      case Descriptor::WELLKNOWNTYPE_DURATION:
        checked(path, checkDuration(value));
        return;
      default:
        if (!isPlainValue(*field.content)) {
          message(value, plans_.findContent(plan, field), path, judge);
        }
    }
  }

  static std::string checkDuration(const Message& value) {
    constexpr int64_t kMaxSeconds = 315'576'000'000;
    google::protobuf::Duration copy;
    if (value.GetDescriptor() != google::protobuf::Duration::descriptor()) {
      assign(value, copy);
    }
    const auto& duration = value.GetDescriptor() == google::protobuf::Duration::descriptor()
                               ? static_cast<const google::protobuf::Duration&>(value)
                               : copy;
    const bool mixed =
        (duration.seconds() > 0 && duration.nanos() < 0) || (duration.seconds() < 0 && duration.nanos() > 0);
    if (mixed || std::abs(duration.nanos()) > 999'999'999 || duration.seconds() > kMaxSeconds ||
        duration.seconds() < -kMaxSeconds) {
      return absl::StrCat("is no valid duration: ", duration.seconds(), " seconds and ", duration.nanos(),
                          " nanoseconds");
    }
    // No field of the API means a time that runs backwards, though few have a rule that says so.
    return duration.seconds() < 0 || duration.nanos() < 0 ? "must not be negative" : "";
  }

  void any(const google::protobuf::Any& any, const PathStep& path, Judge judge) {
    if (any.type_url().empty() && any.value().empty()) {
      return;
    }
    const std::string name = extensionTypeName(any);
    const Descriptor* type = findMessage(name);
    if (type == nullptr && !name.empty()) {
      return;
    }
    const std::unique_ptr<Message> inside = unpackExtension(any, path.toFieldPath(), report_.violations);
    if (inside == nullptr || isPlainValue(*type)) {
      return;
    }
    if (type->well_known_type() == Descriptor::WELLKNOWNTYPE_ANY) {
      violation(path, "an Any inside an Any is not supported by Sluice");
      return;
    }
    const MessagePlan& plan = plans_.find(*type);
    if (judge == Judge::Listed) {
      judge = plan.support() == nullptr ? Judge::No : Judge::Yes;
    }
    const bool from_struct = name != typeName(any.type_url());
    message(*inside, plan, from_struct ? PathStep(path, "value") : path, judge);
  }

  PlanCache& plans_;
  Report& report_;
};

}  // namespace

void Validator::validate(const Message& message, const FieldPath& root, Report& report) {
  Walk(plans_, report).message(message, plans_.find(*message.GetDescriptor()), PathStep(root.toString()), Judge::Yes);
}

void validateMessage(const Message& message, const FieldPath& root, Report& report) {
  static auto* validator = new Validator(SupportTable::builtin());
  validator->validate(message, root, report);
}

}  // namespace sluice::config
