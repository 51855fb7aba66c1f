#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "source/config/readers.h"
#include "source/config/utf8.h"

namespace sluice::config {
namespace {

class JsonReader {
 public:
  JsonReader(Document& document, SyntaxError& error) : document_(document), error_(error), text_(document.source()) {}

  bool read() {
    skipSpace();
    if (at_ == text_.size()) {
      document_.setRoot(document_.newNode(Node::Kind::Null, line_));
      return true;
    }
    const Node* root = value(0);
    if (root == nullptr) {
      return false;
    }
    skipSpace();
    if (at_ != text_.size()) {
      return fail("there is more after the end of the value") != nullptr;
    }
    document_.setRoot(root);
    return true;
  }

 private:
  const Node* fail(std::string reason) {
    if (error_.reason.empty()) {
      error_ = {std::move(reason), line_};
    }
    return nullptr;
  }

  const Node* unexpected(absl::string_view wanted) {
    if (at_ == text_.size()) {
      return fail(absl::StrCat("it ends where ", wanted, " should be"));
    }
    const size_t length = static_cast<unsigned char>(text_[at_]) < 0x80 ? 1 : 4;
    return fail(absl::StrCat("found '", text_.substr(at_, length), "' where ", wanted, " should be"));
  }

  void skipSpace() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  const Node* value(int depth) {
    if (depth > Document::kMaxDepth) {
      return fail(absl::StrCat("nested deeper than ", Document::kMaxDepth));
    }
    if (at_ == text_.size()) {
      return unexpected("a value");
    }
    switch (text_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"': {
        Node* node = document_.newNode(Node::Kind::String, line_);
        return string(node->text) ? node : nullptr;
      }
      default:
        return word();
    }
  }

  const Node* object(int depth) {
    Node* node = document_.newNode(Node::Kind::Map, line_);
    ++at_;
    skipSpace();
    if (take('}')) {
      return node;
    }
    while (true) {
      skipSpace();
      if (at_ == text_.size() || text_[at_] != '"') {
        return unexpected("a name in quotes");
      }
      Node* key = document_.newNode(Node::Kind::String, line_);
      if (!string(key->text)) {
        return nullptr;
      }
      skipSpace();
      if (!take(':')) {
        return unexpected("a colon");
      }
      skipSpace();
      const Node* member = value(depth + 1);
      if (member == nullptr) {
        return nullptr;
      }
      node->items.push_back(key);
      node->items.push_back(member);
      skipSpace();
      if (take('}')) {
        return node;
      }
      if (!take(',')) {
        return unexpected("a comma or a closing brace");
      }
    }
  }

  const Node* array(int depth) {
    Node* node = document_.newNode(Node::Kind::Sequence, line_);
    ++at_;
    skipSpace();
    if (take(']')) {
      return node;
    }
    while (true) {
      skipSpace();
      const Node* element = value(depth + 1);
      if (element == nullptr) {
        return nullptr;
      }
      node->items.push_back(element);
      skipSpace();
      if (take(']')) {
        return node;
      }
      if (!take(',')) {
        return unexpected("a comma or a closing bracket");
      }
    }
  }

  bool string(absl::string_view& out) {
    const size_t start = ++at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) {
        return fail("a control character in a string is not escaped") != nullptr;
      }
      ++at_;
    }
    if (take('"')) {
      out = text_.substr(start, at_ - 1 - start);
      return true;
    }
    std::string unescaped(text_.substr(start, at_ - start));
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') {
        out = document_.keep(std::move(unescaped));
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return fail("a control character in a string is not escaped") != nullptr;
      }
      if (c != '\\') {
        unescaped.push_back(c);
      } else if (!escape(unescaped)) {
        return false;
      }
    }
    return fail("a string has no end") != nullptr;
  }

  bool escape(std::string& out) {
    if (at_ == text_.size()) {
      return fail("a string has no end") != nullptr;
    }
    constexpr absl::string_view kNames = "\"\\/bfnrt";
    constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char c = text_[at_++];
    const size_t which = kNames.find(c);
    if (which != absl::string_view::npos) {
      out.push_back(kMeanings[which]);
      return true;
    }
    uint32_t unit = 0;
    if (c != 'u' || !hex4(unit)) {
      return fail("a string holds an unknown escape sequence") != nullptr;
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
      uint32_t low = 0;
      if (text_.substr(at_, 2) != "\\u" || (at_ += 2, !hex4(low)) || low < 0xDC00 || low >= 0xE000) {
        return fail("a string holds half of a surrogate pair") != nullptr;
      }
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else if (unit >= 0xDC00 && unit < 0xE000) {
      return fail("a string holds half of a surrogate pair") != nullptr;
    }
    appendUtf8(out, unit);
    return true;
  }

  bool hex4(uint32_t& out) {
    if (text_.size() - at_ < 4) {
      return false;
    }
    out = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_ + i];
      if (!absl::ascii_isxdigit(c)) {
        return false;
      }
      out = out * 16 + (absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10);
    }
    at_ += 4;
    return true;
  }

  // true, false, null or a number.
  const Node* word() {
    const size_t start = at_;
    while (at_ < text_.size() &&
           (absl::ascii_isalnum(text_[at_]) || text_[at_] == '-' || text_[at_] == '+' || text_[at_] == '.')) {
      ++at_;
    }
    const absl::string_view text = text_.substr(start, at_ - start);
    if (text == "null") {
      return document_.newNode(Node::Kind::Null, line_);
    }
    if (text != "true" && text != "false" && !isNumber(text)) {
      at_ = start;
      return text.empty() ? unexpected("a value") : fail(absl::StrCat("'", text, "' is no value"));
    }
    Node* node = document_.newNode(Node::Kind::Plain, line_);
    node->text = text;
    return node;
  }

  static bool isNumber(absl::string_view text) {
    const auto digits = [&text] {
      size_t count = 0;
      while (count < text.size() && absl::ascii_isdigit(text[count])) {
        ++count;
      }
      const absl::string_view run = text.substr(0, count);
      text.remove_prefix(count);
      return run;
    };
    if (!text.empty() && text.front() == '-') {
      text.remove_prefix(1);
    }
    const absl::string_view whole = digits();
    if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) {
      return false;
    }
    if (!text.empty() && text.front() == '.') {
      text.remove_prefix(1);
      if (digits().empty()) {
        return false;
      }
    }
    if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
      text.remove_prefix(1);
      if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        text.remove_prefix(1);
      }
      if (digits().empty()) {
        return false;
      }
    }
    return text.empty();
  }

  Document& document_;
  SyntaxError& error_;
  absl::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

bool readJson(Document& document, SyntaxError& error) { return JsonReader(document, error).read(); }

}  // namespace sluice::config
