#include "source/config/validate.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"

#include "source/config/type_registry.h"
#include "source/config/wire.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

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

/// A field that a message sets, and what it holds.
struct SetField {
  const FieldPlan* plan;
  WireRun run;
};

/// In the order of their declaration, in which mistakes are told.
using SetFields = absl::InlinedVector<SetField, 8>;

/// One walk through a message as it was serialised.
class Walk {
 public:
  Walk(PlanCache& plans, Report& report) : plans_(plans), report_(report) {}

  void message(absl::string_view message, const MessagePlan& plan, const PathStep& path, Judge judge) {
    if (judge != Judge::No && plan.support() == nullptr) {
      violation(path, absl::StrCat(plan.type().full_name(), " is not supported by Sluice"));
      return;
    }
    const SetFields fields = setFields(message, plan, path);
    auto needed = plan.neededFields().begin();
    const auto needed_end = plan.neededFields().end();
    const auto passNeeded = [&](const FieldPlan* until) {
      for (; needed != needed_end && (until == nullptr || *needed < until); ++needed) {
        violation(PathStep(path, (*needed)->field->name()), (*needed)->unset_reason);
      }
    };
    for (const SetField& field : fields) {
      passNeeded(field.plan);
      if (needed != needed_end && *needed == field.plan) {
        ++needed;
      }
      field.plan->repeated ? list(field.run, plan, *field.plan, path, judge)
                           : single(field.run, plan, *field.plan, path, judge);
    }
    passNeeded(nullptr);
    for (const auto* oneof : plan.requiredOneofs()) {
      if (std::none_of(fields.begin(), fields.end(),
                       [oneof](const SetField& field) { return field.plan->oneof == oneof; })) {
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

  SetFields setFields(absl::string_view message, const MessagePlan& plan, const PathStep& path) {
    SetFields fields;
    WireReader reader(message);
    for (WireRun run; reader.nextRun(run);) {
      const FieldPlan* const field = plan.find(run.number);
      if (field == nullptr) {
        unknownFields(run, path);
        continue;
      }
      fields.push_back({field, run});
      // Most are declared in the order of their numbers.
      for (size_t i = fields.size() - 1; i > 0 && fields[i].plan < fields[i - 1].plan; --i) {
        std::swap(fields[i], fields[i - 1]);
      }
    }
    return fields;
  }

  void unknownFields(const WireRun& run, const PathStep& path) {
    for (int i = 0; i < run.count; ++i) {
      const std::string where = path.toString();
      report_.unknown.push_back(absl::StrCat(where, where.empty() ? "" : " ", "(field ", run.number, ")"));
    }
  }

  // Whether the field may be looked into; a refused one is not, since all in it would only be refused again.
  bool judgeField(const WireRun& run, const MessagePlan& plan, const FieldPlan& field, const PathStep& path,
                  int count) {
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
    const std::unique_ptr<Message> message = newMessage(plan.type());
    message->ParsePartialFromArray(run.whole.data(), static_cast<int>(run.whole.size()));
    bool good = true;
    for (int i = count < 0 ? -1 : 0; i < std::max(count, 0); ++i) {
      const std::string value = supportValue(*message, *field.field, i);
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

  void single(const WireRun& run, const MessagePlan& plan, const FieldPlan& field, const PathStep& parent,
              Judge judge) {
    const PathStep path(parent, field.field->name());
    if (judge != Judge::No && !judgeField(run, plan, field, path, -1)) {
      return;
    }
    if (field.rules != nullptr) {
      checked(path, field.rules->check(*field.field, run.value));
    }
    if (field.content != nullptr && !(field.rules != nullptr && field.rules->skipsContent())) {
      content(run.value.bytes, plan, field, path, contentJudge(field, judge));
    }
  }

  void list(const WireRun& run, const MessagePlan& plan, const FieldPlan& field, const PathStep& parent, Judge judge) {
    int size = run.count;
    if (field.field->is_packed()) {
      size = 0;
      forEachValue(*field.field, run.whole, [&size](const WireValue&) { ++size; });
    }
    const PathStep path(parent, field.field->name());
    if (judge != Judge::No && !judgeField(run, plan, field, path, field.map ? 0 : size)) {
      return;
    }
    if (field.rules != nullptr) {
      checked(path, field.rules->checkSize(size));
      if (!field.map) {
        checked(path, field.rules->checkUnique(*field.field, run.whole));
      }
    }
    const ValueRules* items = field.rules != nullptr ? field.rules->items() : nullptr;
    const ValueRules* keys = field.rules != nullptr ? field.rules->keys() : nullptr;
    if (items == nullptr && keys == nullptr && field.content == nullptr) {
      return;
    }
    const Judge judge_content = contentJudge(field, judge);
    size_t index = 0;
    forEachValue(*field.field, run.whole, [&](const WireValue& value) {
      if (field.map) {
        entry(value.bytes, plan, field, path, judge_content);
        return;
      }
      const PathStep item_path(path, index++);
      if (items != nullptr) {
        checked(item_path, items->check(*field.field, value));
      }
      if (field.content != nullptr && !(items != nullptr && items->skipsContent())) {
        content(value.bytes, plan, field, item_path, judge_content);
      }
    });
  }

  void entry(absl::string_view entry, const MessagePlan& plan, const FieldPlan& field, const PathStep& parent,
             Judge judge) {
    const FieldDescriptor& key = *field.field->message_type()->map_key();
    const FieldDescriptor& value = *field.field->message_type()->map_value();
    WireValue key_value;
    WireValue held;
    WireReader reader(entry);
    for (WireRun run; reader.nextRun(run);) {
      (run.number == key.number() ? key_value : held) = run.value;
    }
    const std::string key_text = keyText(key, key_value);
    const PathStep path = PathStep::mapKey(parent, key_text);
    const ValueRules* items = field.rules != nullptr ? field.rules->items() : nullptr;
    if (field.rules != nullptr && field.rules->keys() != nullptr) {
      checked(path, field.rules->keys()->check(key, key_value), "its key ");
    }
    if (items != nullptr) {
      checked(path, items->check(value, held));
    }
    if (field.content != nullptr && !(items != nullptr && items->skipsContent())) {
      content(held.bytes, plan, field, path, judge);
    }
  }

  static std::string keyText(const FieldDescriptor& key, const WireValue& value) {
    switch (key.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return std::string(value.bytes);
      case FieldDescriptor::CPPTYPE_BOOL:
        return value.number != 0 ? "true" : "false";
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        return absl::StrCat(value.number);
      default:
        return absl::StrCat(static_cast<int64_t>(value.number));
    }
  }

  void checked(const PathStep& path, const std::string& reason, absl::string_view subject = "") {
    if (!reason.empty()) {
      violation(path, absl::StrCat(subject, reason));
    }
  }

  void content(absl::string_view value, const MessagePlan& plan, const FieldPlan& field, const PathStep& path,
               Judge judge) {
    switch (field.content_kind) {
      case Descriptor::WELLKNOWNTYPE_ANY:
        setFields(value, plans_.findContent(plan, field), path);  // tells what is unknown of the Any itself
        any(value, path, judge);
        return;
      case Descriptor::WELLKNOWNTYPE_DURATION:
        checked(path, checkDuration(value));
        return;
      case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
        message(value, plans_.findContent(plan, field), path, judge);
        return;
      default:
        return;  // isPlainValue()
    }
  }

  static std::string checkDuration(absl::string_view value) {
    constexpr int64_t kMaxSeconds = 315'576'000'000;
    google::protobuf::Duration duration;
    duration.ParsePartialFromArray(value.data(), static_cast<int>(value.size()));
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

  void any(absl::string_view value, const PathStep& path, Judge judge) {
    google::protobuf::Any any;
    any.ParsePartialFromArray(value.data(), static_cast<int>(value.size()));
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
    message(inside->SerializePartialAsString(), plan, from_struct ? PathStep(path, "value") : path, judge);
  }

  PlanCache& plans_;
  Report& report_;
};

}  // namespace

void Validator::validate(const Message& message, const FieldPath& root, Report& report) {
  Walk(plans_, report)
      .message(message.SerializePartialAsString(), plans_.find(*message.GetDescriptor()), PathStep(root.toString()),
               Judge::Yes);
}

void validateMessage(const Message& message, const FieldPath& root, Report& report) {
  static auto* validator = new Validator(SupportTable::builtin());
  validator->validate(message, root, report);
}

}  // namespace sluice::config
