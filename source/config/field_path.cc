#include "source/config/field_path.h"

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

void appendKey(std::string& out, absl::string_view key) {
  absl::StrAppend(&out, "[\"", absl::Utf8SafeCEscape(key), "\"]");
}

}  // namespace

FieldPath FieldPath::field(absl::string_view name) const {
  FieldPath longer(*this);
  appendField(longer.text_, name);
  return longer;
}

FieldPath FieldPath::index(size_t index) const {
  FieldPath longer(*this);
  appendIndex(longer.text_, index);
  return longer;
}

FieldPath FieldPath::key(absl::string_view key) const {
  FieldPath longer(*this);
  appendKey(longer.text_, key);
  return longer;
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
    case Kind::Root:
      out.append(name_.data(), name_.size());
      break;
    case Kind::Field:
      appendField(out, name_);
      break;
    case Kind::Index:
      appendIndex(out, index_);
      break;
    case Kind::Key:
      appendKey(out, name_);
      break;
  }
}

}  // namespace sluice::config
