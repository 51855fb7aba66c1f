#include "source/config/message_plan.h"

#include "validate/validate.pb.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::string unsetReason(const FieldDescriptor& field, const ValueRules& rules) {
  if (field.is_repeated()) {
    return rules.checkSize(0);
  }
  if (rules.required()) {
    return field.real_containing_oneof() == nullptr ? "is required" : "";
  }
  return field.has_presence() ? "" : rules.check(field, WireValue());
}

}  // namespace

MessagePlan::MessagePlan(const Descriptor& type, const SupportTable& table)
    : type_(type), support_(table.find(type.full_name())), numbers_(type) {
  static const auto* unlisted = new MessageSupport;
  const auto& options = type.options();
  const bool has_rules = !options.GetExtension(validate::disabled) && !options.GetExtension(validate::ignored);
  fields_.reserve(type.field_count());
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    FieldPlan& plan = fields_.emplace_back();
    plan.field = &field;
    plan.rules = has_rules ? ValueRules::ofField(field) : nullptr;
    plan.support = &(support_ != nullptr ? *support_ : *unlisted).field(field.name());
    plan.oneof = field.real_containing_oneof();
    plan.repeated = field.is_repeated();
    plan.map = field.is_map();
    if (plan.rules != nullptr) {
      plan.unset_reason = unsetReason(field, *plan.rules);
    }
    if (!plan.unset_reason.empty()) {
      needed_fields_.push_back(&plan);
    }
    plan.content = plan.map ? field.message_type()->map_value()->message_type() : field.message_type();
    if (plan.content != nullptr) {
      plan.content_kind = plan.content->well_known_type();
    }
  }
  for (int i = 0; has_rules && i < type.real_oneof_decl_count(); ++i) {
    if (type.oneof_decl(i)->options().GetExtension(validate::required)) {
      required_oneofs_.push_back(type.oneof_decl(i));
    }
  }
  content_plans_ = std::make_unique<std::atomic<const MessagePlan*>[]>(fields_.size());
}

const MessagePlan& PlanCache::find(const Descriptor& type) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<const MessagePlan>& plan = plans_[&type];
  if (plan == nullptr) {
    plan = std::make_unique<const MessagePlan>(type, table_);
  }
  return *plan;
}

const MessagePlan& PlanCache::findContent(const MessagePlan& plan, const FieldPlan& field) {
  std::atomic<const MessagePlan*>& slot = plan.contentPlan(field);
  const MessagePlan* content = slot.load(std::memory_order_acquire);
  if (content == nullptr) {
    content = &find(*field.content);
    slot.store(content, std::memory_order_release);
  }
  return *content;
}

}  // namespace sluice::config
