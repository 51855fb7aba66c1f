#include "source/config/message_plan.h"

#include "validate/validate.pb.h"

#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool isScalarWithoutPresence(const FieldDescriptor& field) { return !field.is_repeated() && !field.has_presence(); }

}  // namespace

MessagePlan::MessagePlan(const Descriptor& type, const SupportTable& table)
    : type_(type), support_(table.find(type.full_name())) {
  static const auto* unlisted = new MessageSupport;
  const auto& options = type.options();
  const bool has_rules = !options.GetExtension(validate::disabled) && !options.GetExtension(validate::ignored);
  const std::unique_ptr<google::protobuf::Message> empty = newMessage(type);
  fields_.reserve(type.field_count());
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    FieldPlan& plan = fields_.emplace_back();
    plan.field = &field;
    plan.rules = has_rules ? ValueRules::ofField(field) : nullptr;
    plan.support = &(support_ != nullptr ? *support_ : *unlisted).field(field.name());
    plan.in_oneof = field.real_containing_oneof() != nullptr;
    plan.required = plan.rules != nullptr && plan.rules->required() && !field.is_repeated();
    if (plan.rules != nullptr && isScalarWithoutPresence(field)) {
      plan.unset_reason = plan.rules->check(*empty, field, -1);
    }
    plan.content = field.is_map() ? field.message_type()->map_value()->message_type() : field.message_type();
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
