#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sluice::admin {

/** A page of one object with one list, written element by element; without elements it is "{}", as protobuf has it. */
class JsonList {
 public:
  explicit JsonList(absl::string_view key) : key_(key) {}

  static constexpr size_t kElementIndent = 2;

  /** Before each element, which is then appended with kElementIndent. */
  void next(std::string& out) {
    if (empty_) {
      absl::StrAppend(&out, "{\n \"", key_, "\": [\n  ");
      empty_ = false;
    } else {
      out += ",\n  ";
    }
  }
  void end(std::string& out) { out += empty_ ? "{}\n" : "\n ]\n}\n"; }

 private:
  const absl::string_view key_;
  bool empty_ = true;
};

}  // namespace sluice::admin
