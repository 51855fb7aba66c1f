#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/config/violations.h"

namespace sluice::config {

/// How a text is written. Auto tries JSON where the text begins with a brace and takes everything else for YAML,
/// which JSON is a subset of.
enum class Format { Auto, Json, Yaml };

/// A value as it was written, before anyone knows what type it should have.
struct Node {
  enum class Kind {
    Null,
    Plain,     // an unquoted scalar: a number, a boolean, or in YAML any word
    String,    // a quoted scalar
    Sequence,  // items are the elements
    Map,       // items are key, value, key, value, …
  };

  Kind kind = Kind::Null;
  /// In YAML, tagged `!ignore`: left out of the message (a place to define anchors in).
  bool ignored = false;
  /// 1-based; 0 where there is no text.
  int line = 0;
  absl::string_view text;
  std::vector<const Node*> items;

  /// What it is, for error messages: `the string "x"`, `a list`.
  std::string describe() const;
};

/// The tree of a JSON or YAML text with line numbers. It owns its text and nodes; once built it is immutable and may be
/// read on any thread.
class Document {
 public:
  /// Deeper nesting is refused: it could only be an attack on the stack.
  static constexpr int kMaxDepth = 100;
  /// Aliases may blow a YAML text up to this many nodes, not further.
  static constexpr size_t kMaxNodesThroughAliases = 1'000'000;

  /// Null after a syntax error, which is in `violations` with its line. An empty text gives a null root.
  static std::shared_ptr<const Document> parse(absl::string_view text, Format format, Violations& violations);

  Document() = default;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  const Node& root() const { return *root_; }

  /// For those that build a document.
  void setRoot(const Node* root) { root_ = root; }
  Node* newNode(Node::Kind kind, int line);
  absl::string_view keep(std::string text);
  absl::string_view source() const { return source_; }

 private:
  std::string source_;
  std::deque<Node> nodes_;
  std::deque<std::string> texts_;
  const Node* root_ = nullptr;
};

}  // namespace sluice::config
