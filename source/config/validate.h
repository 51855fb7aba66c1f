#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"

#include "source/config/field_path.h"
#include "source/config/message_plan.h"
#include "source/config/support.h"
#include "source/config/violations.h"

namespace sluice::config {

/// What a check of a message found.
struct Report {
  /// Broken rules, and fields that are set and not supported.
  Violations violations;
  /// Fields that were set and are ignored, which the support table says is harmless; each once, as
  /// "envoy.config.listener.v3.Listener.traffic_direction".
  std::vector<std::string> ignored;
  /// Field numbers that this build does not know, as "filter_chains[0] (field 99)".
  std::vector<std::string> unknown;
};

/// Checks messages against the rules that their protos carry (`validate.rules`) and against a support table. Any thread;
/// what it learns of a type is kept.
class Validator {
 public:
  explicit Validator(const SupportTable& table) : plans_(table) {}

  void validate(const google::protobuf::Message& message, const FieldPath& root, Report& report);

 private:
  PlanCache plans_;
};

/// Checks a message and everything in it, lists, maps and Anys of known types (TypedStructs too) included, against the
/// program's own support table. An Any of an unknown type is left to the caller, who knows which extensions there are.
void validateMessage(const google::protobuf::Message& message, const FieldPath& root, Report& report);

}  // namespace sluice::config
