#include "source/access_log/json_format.h"

#include <map>

#include "google/protobuf/struct.pb.h"

#include "source/access_log/json_text.h"
#include "source/access_log/metadata_value.h"

namespace sluice::access_log {

using google::protobuf::Value;

JsonFormat JsonFormat::create(const google::protobuf::Struct& format, const OperatorTable& table,
                              bool omit_empty_values, const config::FieldPath& path, config::Violations& violations) {
  JsonFormat out;
  out.omit_empty_values_ = omit_empty_values;
  out.root_ = makeObject(format, table, omit_empty_values, path, violations);
  return out;
}

JsonFormat::Node JsonFormat::makeObject(const google::protobuf::Struct& value, const OperatorTable& table,
                                        bool omit_empty_values, const config::FieldPath& path,
                                        config::Violations& violations) {
  Node node;
  node.kind = Node::Kind::Object;
  const std::map<std::string, const Value*> fields = [&value] {
    std::map<std::string, const Value*> sorted;
    for (const auto& [name, field] : value.fields()) {
      sorted.emplace(name, &field);
    }
    return sorted;
  }();
  for (const auto& [name, field] : fields) {
    Node child = makeNode(*field, table, omit_empty_values, path.key(name), violations);
    appendJsonString(name, child.name);
    child.name += ':';
    node.children.push_back(std::move(child));
  }
  return node;
}

JsonFormat::Node JsonFormat::makeNode(const Value& value, const OperatorTable& table, bool omit_empty_values,
                                      const config::FieldPath& path, config::Violations& violations) {
  Node node;
  switch (value.kind_case()) {
    case Value::kStructValue:
      return makeObject(value.struct_value(), table, omit_empty_values, path, violations);
    case Value::kListValue:
      node.kind = Node::Kind::List;
      for (int i = 0; i < value.list_value().values_size(); ++i) {
        node.children.push_back(makeNode(value.list_value().values(i), table, omit_empty_values,
                                         path.index(static_cast<size_t>(i)), violations));
      }
      return node;
    case Value::kStringValue: {
      auto format = Format::parse(value.string_value(), table, omit_empty_values);
      if (!format.ok()) {
        violations.add(path, std::string(format.status().message()));
        return node;
      }
      if (format->isLiteral()) {
        appendJsonString(format->pieces().empty() ? "" : format->pieces()[0].argument.text, node.literal);
        return node;
      }
      node.kind = format->pieces().size() == 1 ? Node::Kind::Value : Node::Kind::Text;
      node.format.push_back(*std::move(format));
      return node;
    }
    default:
      node.null = value.kind_case() == Value::kNullValue || value.kind_case() == Value::KIND_NOT_SET;
      appendJsonValue(value, node.literal);
      return node;
  }
}

void JsonFormat::append(const LogContext& context, std::string& out) const {
  const size_t before = out.size();
  if (!appendNode(root_, context, out)) {
    out.resize(before);
    out += "{}";
  }
  out += '\n';
}

bool JsonFormat::appendNode(const Node& node, const LogContext& context, std::string& out) const {
  switch (node.kind) {
    case Node::Kind::Literal:
      out += node.literal;
      return !(node.null && omit_empty_values_);
    case Node::Kind::Value: {
      const Format::Piece& piece = node.format[0].pieces()[0];
      const size_t before = out.size();
      if (piece.append_json != nullptr) {
        if (piece.append_json(context, piece.argument, out)) {
          return true;
        }
      } else {
        out += '"';
        if (piece.append(context, piece.argument, out)) {
          if (out.size() - before - 1 > piece.max_length) {
            out.resize(before + 1 + piece.max_length);
          }
          escapeJsonFrom(before + 1, out);
          out += '"';
          return true;
        }
      }
      out.resize(before);
      out += "null";
      return !omit_empty_values_;
    }
    case Node::Kind::Text: {
      out += '"';
      const size_t before = out.size();
      node.format[0].append(context, out);
      escapeJsonFrom(before, out);
      out += '"';
      return true;
    }
    case Node::Kind::Object:
    case Node::Kind::List: {
      const bool object = node.kind == Node::Kind::Object;
      out += object ? '{' : '[';
      bool any = false;
      for (const Node& child : node.children) {
        const size_t before = out.size();
        if (any) {
          out += ',';
        }
        out += child.name;
        if (appendNode(child, context, out)) {
          any = true;
        } else {
          out.resize(before);
        }
      }
      out += object ? '}' : ']';
      // A list stays, however empty: its reader may count on it.
      return any || !object || !omit_empty_values_;
    }
  }
  return true;
}

}  // namespace sluice::access_log
