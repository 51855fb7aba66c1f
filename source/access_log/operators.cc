#include "source/access_log/operators.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::access_log {

void OperatorTable::add(const Operator& op) {
  const auto place = std::lower_bound(operators_.begin(), operators_.end(), op.name,
                                      [](const Operator& entry, absl::string_view name) { return entry.name < name; });
  if (place != operators_.end() && place->name == op.name) {
    *place = op;
  } else {
    operators_.insert(place, op);
  }
}

const Operator* OperatorTable::find(absl::string_view name) const {
  const auto place = std::lower_bound(operators_.begin(), operators_.end(), name,
                                      [](const Operator& entry, absl::string_view key) { return entry.name < key; });
  return place != operators_.end() && place->name == name ? &*place : nullptr;
}

std::string describeOperators(const OperatorTable& table) {
  std::string works = "| operator | value |\n| --- | --- |\n";
  std::string left_out = "| operator | why it is left out |\n| --- | --- |\n";
  for (const Operator& op : table.all()) {
    const absl::string_view argument = op.argument == Argument::None       ? ""
                                       : op.argument == Argument::Required ? "(X)"
                                                                           : "[(X)]";
    absl::StrAppend(op.append != nullptr ? &works : &left_out, "| `%", op.name, argument, "%` | ", op.help, " |\n");
  }
  return absl::StrCat(works, "\nOperators of Envoy that a format may not use:\n\n", left_out);
}

}  // namespace sluice::access_log
