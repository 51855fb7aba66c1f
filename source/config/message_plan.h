#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/descriptor.h"

#include "source/config/support.h"
#include "source/config/value_rules.h"
#include "source/config/wire.h"

namespace sluice::config {

class MessagePlan;

/// What is to be checked of one field.
struct FieldPlan {
  const google::protobuf::FieldDescriptor* field = nullptr;
  std::unique_ptr<const ValueRules> rules;  // null if there are none
  const FieldSupport* support = nullptr;
  const google::protobuf::OneofDescriptor* oneof = nullptr;  // that it is a member of
  bool repeated = false;
  bool map = false;
  /// Why it must be set: it is required, or its rules refuse what a field that is not set holds. Empty if it need not be.
  std::string unset_reason;
  /// What a field of messages holds (a map: its values); null for scalars.
  const google::protobuf::Descriptor* content = nullptr;
  google::protobuf::Descriptor::WellKnownType content_kind = google::protobuf::Descriptor::WELLKNOWNTYPE_UNSPECIFIED;
};

/// What is to be checked of a type of messages: worked out once, from its descriptor and the support table.
class MessagePlan {
 public:
  MessagePlan(const google::protobuf::Descriptor& type, const SupportTable& table);

  const google::protobuf::Descriptor& type() const { return type_; }
  /// Null if the support table does not list it.
  const MessageSupport* support() const { return support_; }
  /// Null if there is no field of this number. The fields lie in the order of their declaration.
  const FieldPlan* find(int number) const {
    const int index = numbers_.find(number);
    return index < 0 ? nullptr : &fields_[static_cast<size_t>(index)];
  }
  /// The fields that have a reason to be set.
  const std::vector<const FieldPlan*>& neededFields() const { return needed_fields_; }
  const std::vector<const google::protobuf::OneofDescriptor*>& requiredOneofs() const { return required_oneofs_; }

  /// The plan of a field's content, once it was asked for; of the cache's making.
  std::atomic<const MessagePlan*>& contentPlan(const FieldPlan& field) const {
    return content_plans_[&field - fields_.data()];
  }

 private:
  const google::protobuf::Descriptor& type_;
  const MessageSupport* support_;
  const FieldNumbers numbers_;
  std::vector<FieldPlan> fields_;
  std::vector<const FieldPlan*> needed_fields_;
  std::vector<const google::protobuf::OneofDescriptor*> required_oneofs_;
  std::unique_ptr<std::atomic<const MessagePlan*>[]> content_plans_;
};

/// The plans that were made so far; any thread. The lock is taken only where a walk meets a type by name (at its root
/// and in an Any) or for the first time: posting would make pure functions wait for a thread.
class PlanCache {
 public:
  explicit PlanCache(const SupportTable& table) : table_(table) {}

  const MessagePlan& find(const google::protobuf::Descriptor& type);
  const MessagePlan& findContent(const MessagePlan& plan, const FieldPlan& field);

 private:
  const SupportTable& table_;
  std::mutex mutex_;
  absl::flat_hash_map<const google::protobuf::Descriptor*, std::unique_ptr<const MessagePlan>> plans_;
};

}  // namespace sluice::config
