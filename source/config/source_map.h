#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "source/config/document.h"

namespace sluice::config {

/// Answers in which line of a configuration text a field stands, for mistakes that are found after parsing. Immutable
/// once filled; keeps the parsed text alive.
class SourceMap {
 public:
  SourceMap() = default;
  explicit SourceMap(std::shared_ptr<const Document> document) : document_(std::move(document)) {}

  /// The 1-based line of the field at `path` (the spelling of FieldPath), or where it is not in the text of the nearest
  /// field around it that is; 0 if nothing of the path is in the text.
  int lineOf(absl::string_view path) const;

 private:
  std::shared_ptr<const Document> document_;
};

}  // namespace sluice::config
