#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::config {

/// What a check of a message found.
struct Report {
  /// Broken rules, and fields that are set and not supported.
  Violations violations;
  /// Fields that were set and are ignored, which the support table says is harmless; each once, as
  /// "envoy.config.listener.v3.Listener.traffic_direction".
  std::vector<std::string> ignored;
  /// Paths of messages that hold field numbers this build does not know, each with the number.
  std::vector<std::string> unknown;
};

/// Checks a message and everything in it, lists, maps and Anys of known types (TypedStructs too) included: the rules
/// that its proto carries (`validate.rules`), and the support table (support.h). An Any of an unknown type is left
/// to the caller, who knows which extensions there are. Any thread; what it learns of a type is kept.
void validateMessage(const google::protobuf::Message& message, const FieldPath& root, Report& report);

}  // namespace sluice::config
