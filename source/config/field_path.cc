#include "source/config/field_path.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sluice::config {
namespace {

void appendField(std::string& out, absl::string_view name) {
  if (!out.empty()) {
    out.push_back('.');
  }
  out.append(name.data(), name.size());
}

void appendIndex(std::string& out, size_t index) { absl::StrAppend(&out, "[", index, "]"); }

void appendKey(std::string& out, absl::string_view key) { absl::StrAppend(&out, "[\"", absl::Utf8SafeCEscape(key), "\"]"); }

}  // namespace

FieldPath FieldPath::field(absl::string_view name) const {
  std::string text;
  text.reserve(text_.size() + name.size() + 1);
  text = text_;
  appendField(text, name);
  return FieldPath(std::move(text));
}

FieldPath FieldPath::index(size_t index) const {
  std::string text = text_;
  appendIndex(text, index);
  return FieldPath(std::move(text));
}

FieldPath FieldPath::key(absl::string_view key) const {
  std::string text = text_;
  appendKey(text, key);
  return FieldPath(std::move(text));
}

std::string PathStep::toString() const {
  std::string out;
  appendTo(out);
  return out;
}

void PathStep::appendTo(std::string& out) const {
  if (parent_ != nullptr) {
    parent_->appendTo(out);
  }
  switch (kind_) {
    case Kind::kRoot:
      out.append(name_.data(), name_.size());
      break;
    case Kind::kField:
      appendField(out, name_);
      break;
    case Kind::kIndex:
      appendIndex(out, index_);
      break;
    case Kind::kKey:
      appendKey(out, name_);
      break;
  }
}

}  // namespace sluice::config
