#include <algorithm>
#include <istream>
#include <streambuf>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

#include "source/config/readers.h"

namespace sluice::config {
namespace {

constexpr absl::string_view kStandardTag = "tag:yaml.org,2002:";

/// Reads from a text without copying it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(absl::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf's interface; it is only read
    setg(begin, begin, begin + text.size());
  }
};

/// Builds the tree from yaml-cpp's events. Its errors are yaml-cpp's own exception, so that one handler around the
/// parser catches both.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Document& document) : document_(document) {}

  const Node* root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_ != nullptr) {
      fail(mark, "there is a second document");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    leaf(mark, anchor, newNode(Node::Kind::Null, mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node* node = newNode(scalarKind(mark, tag), mark);
    node->ignored = tag == "!ignore";
    node->text = document_.keep(value);
    leaf(mark, anchor, node);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Anchor& target = anchors_.at(anchor);
    if (!target.complete) {
      fail(mark, "an alias stands inside of what it refers to");
    }
    nodes_ += target.size;
    if (nodes_ > Document::kMaxNodesThroughAliases) {
      fail(mark, "aliases make it too big");
    }
    if (frames_.size() + target.height > static_cast<size_t>(Document::kMaxDepth)) {
      fail(mark, absl::StrCat("nested deeper than ", Document::kMaxDepth));
    }
    place(mark, target.node, target.size, target.height);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, Node::Kind::Sequence);
  }
  void OnSequenceEnd() override { pop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, Node::Kind::Map);
  }
  void OnMapEnd() override { pop(); }

 private:
  /// What an alias may refer to.
  struct Anchor {
    const Node* node = nullptr;
    size_t size = 1;    // nodes, each as often as aliases repeat it
    size_t height = 0;  // levels below it
    bool complete = false;
  };

  /// A list or mapping that is still open.
  struct Frame {
    Node* node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    size_t size = 1;
    size_t height = 0;
  };

  [[noreturn]] static void fail(const YAML::Mark& mark, const std::string& reason) {
    throw YAML::ParserException(mark, reason);
  }

  static Node::Kind scalarKind(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!ignore") {
      return Node::Kind::Plain;
    }
    if (tag == "!" || tag == absl::StrCat(kStandardTag, "str") || tag == absl::StrCat(kStandardTag, "binary")) {
      return Node::Kind::String;
    }
    checkTag(mark, tag);
    return Node::Kind::Plain;
  }

  static void checkTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!" && tag != "!ignore" && !absl::StartsWith(tag, kStandardTag)) {
      fail(mark, absl::StrCat("unknown tag '", tag, "'"));
    }
  }

  Node* newNode(Node::Kind kind, const YAML::Mark& mark) {
    ++nodes_;
    return document_.newNode(kind, mark.line + 1);
  }

  void leaf(const YAML::Mark& mark, YAML::anchor_t anchor, const Node* node) {
    if (anchor != 0) {
      anchorAt(anchor) = {node, 1, 0, true};
    }
    place(mark, node, 1, 0);
  }

  void push(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    checkTag(mark, tag);
    if (frames_.size() >= static_cast<size_t>(Document::kMaxDepth)) {
      fail(mark, absl::StrCat("nested deeper than ", Document::kMaxDepth));
    }
    if (wantsKey()) {
      fail(mark, "a mapping's key is a list or a mapping");
    }
    Node* node = newNode(kind, mark);
    node->ignored = tag == "!ignore";
    if (anchor != 0) {
      anchorAt(anchor) = {node, 1, 0, false};
    }
    frames_.push_back({node, anchor, mark});
  }

  void pop() {
    const Frame frame = frames_.back();
    frames_.pop_back();
    if (frame.anchor != 0) {
      anchorAt(frame.anchor) = {frame.node, frame.size, frame.height, true};
    }
    place(frame.mark, frame.node, frame.size, frame.height);
  }

  bool wantsKey() const {
    return !frames_.empty() && frames_.back().node->kind == Node::Kind::Map &&
           frames_.back().node->items.size() % 2 == 0;
  }

  void place(const YAML::Mark& mark, const Node* node, size_t size, size_t height) {
    if (frames_.empty()) {
      root_ = node;
      return;
    }
    if (wantsKey()) {
      if (node->kind != Node::Kind::Plain && node->kind != Node::Kind::String) {
        fail(mark, "a mapping's key is missing");
      }
      if (node->kind == Node::Kind::Plain && node->text == "<<") {
        fail(mark, "merge keys ('<<') are not supported");
      }
    }
    Frame& frame = frames_.back();
    frame.node->items.push_back(node);
    frame.size += size;
    frame.height = std::max(frame.height, height + 1);
  }

  Anchor& anchorAt(YAML::anchor_t anchor) {
    if (anchors_.size() <= anchor) {
      anchors_.resize(anchor + 1);
    }
    return anchors_[anchor];
  }

  Document& document_;
  const Node* root_ = nullptr;
  std::vector<Frame> frames_;
  std::vector<Anchor> anchors_;
  size_t nodes_ = 0;
};

}  // namespace

bool readYaml(Document& document, SyntaxError& error) {
  ViewBuffer buffer(document.source());
  std::istream stream(&buffer);
  TreeBuilder builder(document);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& exception) {
    error = {exception.msg, exception.mark.is_null() ? 0 : exception.mark.line + 1};
    return false;
  } catch (const std::exception& exception) {
    error = {exception.what(), 0};
    return false;
  }
  document.setRoot(builder.root() != nullptr ? builder.root() : document.newNode(Node::Kind::Null, 1));
  return true;
}

}  // namespace sluice::config
