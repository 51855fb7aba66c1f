#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::config {

/// The place of a field in a configuration, as an operator would write it: the proto's own field names, list indexes
/// and map keys, as in `static_resources.listeners[0].metadata.filter_metadata["x"]`. What is inside an Any follows
/// the Any's own field without a step in between, as it does in YAML.
///
/// A plain value. Extending it copies, so it may be stored, and temporaries may be extended.
class FieldPath {
 public:
  FieldPath() = default;
  explicit FieldPath(absl::string_view root) : text_(root) {}

  FieldPath field(absl::string_view name) const;
  FieldPath index(size_t index) const;
  FieldPath key(absl::string_view key) const;

  const std::string& toString() const { return text_; }

 private:
  friend class PathStep;
  std::string text_;
};

/// One step of a path that lives on the stack of a recursive walk: costs nothing until a mistake is found. The step and
/// what it names must outlive all steps below it.
class PathStep {
 public:
  explicit PathStep(absl::string_view root) : kind_(Kind::Root), name_(root) {}
  PathStep(const PathStep& parent, absl::string_view field) : parent_(&parent), kind_(Kind::Field), name_(field) {}
  PathStep(const PathStep& parent, size_t index) : parent_(&parent), kind_(Kind::Index), index_(index) {}

  static PathStep mapKey(const PathStep& parent, absl::string_view key) {
    PathStep step(parent, key);
    step.kind_ = Kind::Key;
    return step;
  }

  std::string toString() const;
  FieldPath toFieldPath() const { return FieldPath(toString()); }

 private:
  enum class Kind { Root, Field, Index, Key };

  void appendTo(std::string& out) const;

  const PathStep* parent_ = nullptr;
  Kind kind_;
  absl::string_view name_;
  size_t index_ = 0;
};

}  // namespace sluice::config
