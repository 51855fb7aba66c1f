#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "source/config/document.h"

namespace sluice::config {

/// Why a text is no JSON or YAML, and in which line.
struct SyntaxError {
  std::string reason;
  int line = 0;
};

/// Builds the tree of `document.source()`. False after a syntax error; the document is then half built. Strict JSON
/// (RFC 8259); numbers are checked for their form and kept as they were written.
bool readJson(Document& document, SyntaxError& error);

/// YAML 1.2 as yaml-cpp reads it, one document, with anchors and aliases. Merge keys (`<<`) are refused.
bool readYaml(Document& document, SyntaxError& error);

}  // namespace sluice::config
