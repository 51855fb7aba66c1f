#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

#include "source/access_log/json_text.h"
#include "source/access_log/operators.h"

namespace sluice::access_log {
namespace {

struct Choice {
  AppendValue append;
  AppendValue append_json;
  PreparedArgument argument;
  size_t max_length = std::string::npos;
};
using Choices = std::vector<Choice>;

absl::StatusOr<Choice> readChoice(const google::protobuf::Value& value, const OperatorTable& table) {
  Choice choice;
  std::string command;
  bool has_argument = false;
  if (value.has_string_value()) {
    command = value.string_value();
  } else {
    for (const auto& [name, field] : value.struct_value().fields()) {
      if (name == "command" && field.has_string_value()) {
        command = field.string_value();
      } else if (name == "param" && field.has_string_value()) {
        choice.argument.text = field.string_value();
        has_argument = true;
      } else if (name == "max_length" && field.has_number_value() && field.number_value() > 0) {
        choice.max_length = static_cast<size_t>(field.number_value());
      } else {
        return absl::InvalidArgumentError(absl::StrCat("'", name, "' is not understood"));
      }
    }
  }
  const Operator* const op = table.find(command);
  if (command.empty() || op == nullptr) {
    return absl::InvalidArgumentError(command.empty() ? "it names no command"
                                                      : absl::StrCat("there is no operator %", command, "%"));
  }
  if (op->append == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the operator %", command, "% is not supported: ", op->help));
  }
  if (has_argument != (op->argument == Argument::Required) && op->argument != Argument::Optional) {
    return absl::InvalidArgumentError(
        absl::StrCat("the operator %", command, "% ", has_argument ? "takes no argument" : "needs an argument"));
  }
  if (op->prepare != nullptr) {
    if (absl::Status status = op->prepare(choice.argument, table); !status.ok()) {
      return status;
    }
  }
  choice.append = op->append;
  choice.append_json = op->append_json;
  return choice;
}

absl::Status prepare(PreparedArgument& argument, const OperatorTable& table) {
  google::protobuf::Struct config;
  if (!google::protobuf::util::JsonStringToMessage(argument.text, &config).ok()) {
    return absl::InvalidArgumentError("the argument is no JSON object");
  }
  const auto operators = config.fields().find("operators");
  if (operators == config.fields().end() || operators->second.list_value().values().empty()) {
    return absl::InvalidArgumentError("the argument has no list of 'operators'");
  }
  auto choices = std::make_shared<Choices>();
  for (const auto& value : operators->second.list_value().values()) {
    auto choice = readChoice(value, table);
    if (!choice.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("operators[", choices->size(), "]: ", choice.status().message()));
    }
    choices->push_back(*std::move(choice));
  }
  argument.data = std::move(choices);
  return absl::OkStatus();
}

/** The first that has a value which is not empty; null when none has. What it appended stays. */
const Choice* first(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const size_t before = out.size();
  for (const Choice& choice : *static_cast<const Choices*>(argument.data.get())) {
    if (choice.append(context, choice.argument, out) && out.size() > before) {
      if (out.size() - before > choice.max_length) {
        out.resize(before + choice.max_length);
      }
      return &choice;
    }
    out.resize(before);
  }
  return nullptr;
}

bool append(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return first(context, argument, out) != nullptr;
}

bool appendJson(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const size_t before = out.size();
  const Choice* const choice = first(context, argument, out);
  if (choice == nullptr) {
    return false;
  }
  if (choice->append_json != nullptr) {
    out.resize(before);
    return choice->append_json(context, choice->argument, out);
  }
  out.insert(before, 1, '"');
  escapeJsonFrom(before + 1, out);
  out += '"';
  return true;
}

constexpr Operator kCoalesce = {
    "COALESCE",
    Argument::Required,
    R"(The first of several operators that has a value: X is `{"operators": ["A", {"command": "B", "param": "y"}]}`)",
    append,
    prepare,
    appendJson};

}  // namespace

const Operator& coalesceOperator() { return kCoalesce; }

}  // namespace sluice::access_log
