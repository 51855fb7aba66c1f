#include "source/config/document.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/config/readers.h"
#include "source/config/utf8.h"

namespace sluice::config {
namespace {

// A text that is no JSON although it begins like it may be YAML in its flow style; a bigger one was meant as JSON, and
// is not worth the time of reading it again.
constexpr size_t kMaxSecondTry = 1024 * 1024;
constexpr size_t kMaxTextInMessages = 60;

int lineAt(absl::string_view text, size_t offset) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + offset, '\n'));
}

bool beginsLikeJson(absl::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  return start != absl::string_view::npos && (text[start] == '{' || text[start] == '[');
}

std::string shortened(absl::string_view text) {
  if (text.size() <= kMaxTextInMessages) {
    return absl::Utf8SafeCEscape(text);
  }
  size_t end = kMaxTextInMessages;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return absl::StrCat(absl::Utf8SafeCEscape(text.substr(0, end)), "…");
}

}  // namespace

std::string Node::describe() const {
  switch (kind) {
    case Kind::Null:
      return "nothing";
    case Kind::Plain:
      return shortened(text);
    case Kind::String:
      return absl::StrCat("the string \"", shortened(text), "\"");
    case Kind::Sequence:
      return "a list";
    case Kind::Map:
      return "a mapping";
  }
  return "";
}

std::shared_ptr<const Document> Document::parse(absl::string_view text, Format format, Violations& violations) {
  constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (absl::StartsWith(text, kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  const size_t invalid = findInvalidUtf8(text);
  if (invalid != absl::string_view::npos) {
    violations.add("", "the text is not valid UTF-8", lineAt(text, invalid));
    return nullptr;
  }
  const size_t zero = text.find('\0');
  if (zero != absl::string_view::npos) {
    violations.add("", "the text holds a zero byte", lineAt(text, zero));
    return nullptr;
  }

  SyntaxError error;
  if (format == Format::Json || (format == Format::Auto && beginsLikeJson(text))) {
    auto document = std::make_shared<Document>();
    document->source_ = std::string(text);
    if (readJson(*document, error)) {
      return document;
    }
    if (format == Format::Json || text.size() > kMaxSecondTry) {
      violations.add("", absl::StrCat("not valid JSON: ", error.reason), error.line);
      return nullptr;
    }
  }
  auto document = std::make_shared<Document>();
  document->source_ = std::string(text);
  if (readYaml(*document, error)) {
    return document;
  }
  violations.add("", absl::StrCat("not valid YAML: ", error.reason), error.line);
  return nullptr;
}

Node* Document::newNode(Node::Kind kind, int line) {
  Node& node = nodes_.emplace_back();
  node.kind = kind;
  node.line = line;
  return &node;
}

absl::string_view Document::keep(std::string text) { return texts_.emplace_back(std::move(text)); }

}  // namespace sluice::config
