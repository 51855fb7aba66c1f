#include "source/config/source_map.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"

#include "source/config/names.h"

namespace sluice::config {
namespace {

/// The next step of a path: `name`, `[3]` or `["key"]`.
struct Step {
  bool is_index = false;
  bool is_key = false;
  size_t index = 0;
  std::string name;
};

// False at the end of the path, and where it is none.
bool nextStep(absl::string_view& path, Step& step) {
  step = Step();
  if (!path.empty() && path.front() == '.') {
    path.remove_prefix(1);
  }
  if (path.empty()) {
    return false;
  }
  if (path.front() != '[') {
    const size_t end = path.find_first_of(".[");
    step.name = std::string(path.substr(0, end));
    path.remove_prefix(end == absl::string_view::npos ? path.size() : end);
    return true;
  }
  path.remove_prefix(1);
  if (!path.empty() && path.front() == '"') {
    size_t end = 1;
    while (end < path.size() && path[end] != '"') {
      end += path[end] == '\\' ? 2 : 1;
    }
    step.is_key = true;
    if (end + 1 >= path.size() || !absl::CUnescape(path.substr(1, end - 1), &step.name)) {
      return false;
    }
    path.remove_prefix(end + 2);
    return true;
  }
  const size_t end = path.find(']');
  step.is_index = true;
  if (end == absl::string_view::npos || !absl::SimpleAtoi(path.substr(0, end), &step.index)) {
    return false;
  }
  path.remove_prefix(end + 1);
  return true;
}

}  // namespace

int SourceMap::lineOf(absl::string_view path) const {
  if (document_ == nullptr) {
    return 0;
  }
  const Node* node = &document_->root();
  int line = 0;
  Step step;
  while (nextStep(path, step)) {
    const Node* child = nullptr;
    if (step.is_index) {
      if (node->kind != Node::Kind::Sequence || step.index >= node->items.size()) {
        return line;
      }
      child = node->items[step.index];
      line = child->line;
    } else {
      if (node->kind != Node::Kind::Map) {
        return line;
      }
      const std::string camel = step.is_key ? step.name : lowerCamel(step.name);
      for (size_t i = 0; i + 1 < node->items.size() && child == nullptr; i += 2) {
        const absl::string_view name = node->items[i]->text;
        if (name == step.name || name == camel) {
          child = node->items[i + 1];
          line = node->items[i]->line;
        }
      }
      if (child == nullptr) {
        return line;
      }
    }
    node = child;
  }
  return line;
}

}  // namespace sluice::config
