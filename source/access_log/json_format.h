#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/access_log/format.h"
#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace google::protobuf {
class Struct;
class Value;
}  // namespace google::protobuf

namespace sluice::access_log {

/**
 * A format whose result is a JSON object on one line, its end of line included. A string that is one operator stands for a
 * value of its kind (numbers, objects; null where there is none), any other string for a text. Properties are in
 * alphabetical order, as in Envoy. Immutable; any thread; appending allocates nothing beyond what `out` grows by.
 */
class JsonFormat {
 public:
  /** Every mistake is added to `violations` with its path; what is returned then is not to be used. */
  static JsonFormat create(const google::protobuf::Struct& format, const OperatorTable& table, bool omit_empty_values,
                           const config::FieldPath& path, config::Violations& violations);

  void append(const LogContext& context, std::string& out) const;

 private:
  struct Node {
    enum class Kind : uint8_t { Literal, Value, Text, Object, List };
    Kind kind = Kind::Literal;
    /** In an object: `"name":`. */
    std::string name;
    /** JSON that never changes. */
    std::string literal;
    /** Of a text, or with one piece a value. */
    std::vector<Format> format;
    std::vector<Node> children;
    bool null = false;
  };

  JsonFormat() = default;
  static Node makeNode(const google::protobuf::Value& value, const OperatorTable& table, bool omit_empty_values,
                       const config::FieldPath& path, config::Violations& violations);
  static Node makeObject(const google::protobuf::Struct& value, const OperatorTable& table, bool omit_empty_values,
                         const config::FieldPath& path, config::Violations& violations);
  /** False when it is empty and to be left out; `out` may have grown then, and the caller takes that back. */
  bool appendNode(const Node& node, const LogContext& context, std::string& out) const;

  Node root_;
  bool omit_empty_values_ = false;
};

}  // namespace sluice::access_log
