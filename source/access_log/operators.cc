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

std::string operatorsPage(const OperatorTable& table) {
  constexpr absl::string_view kHead = R"(# Access logs

`envoy.access_loggers.file`, `stdout` and `stderr` write a line for each connection or request, as text or JSON made of
Envoy's operators:

```yaml
access_log:
- name: file
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: /var/log/sluice/access.log
    log_format: {text_format_source: {inline_string: "%START_TIME% %DOWNSTREAM_REMOTE_ADDRESS% %RESPONSE_FLAGS%\n"}}
```

or

```yaml
    log_format: {json_format: {status: "%RESPONSE_CODE%", took: {ms: "%DURATION%"}, path: "%REQ(:PATH)%"}}
```

`%NAME%` stands for a value, `%NAME(X)%` for one that needs an argument; `:LENGTH` before the last percent sign cuts it, and
`%%` is a percent sign. What has no value is written as `-`, or as nothing with `omit_empty_values`. In JSON a string that is one
operator becomes a value of its kind: numbers stay numbers, metadata stays objects, and what has no value is `null`, or left
out with `omit_empty_values`; properties are in alphabetical order. Lines are written by a thread of their own, every `--file-flush-interval-msec` or when `--file-flush-min-size-kb` have come together; SIGUSR1 opens
the files anew. A file that takes no more never holds up traffic: its lines are dropped and counted
(`filesystem.write_dropped`).

This page is made from the code: `bazel run //source/http:operators_page`.

## Operators

)";
  std::string works = "| operator | value |\n| --- | --- |\n";
  std::string left_out = "| operator | why it is left out |\n| --- | --- |\n";
  for (const Operator& op : table.all()) {
    const absl::string_view argument = op.argument == Argument::None       ? ""
                                       : op.argument == Argument::Required ? "(X)"
                                                                           : "[(X)]";
    absl::StrAppend(op.append != nullptr ? &works : &left_out, "| `%", op.name, argument, "%` | ", op.help, " |\n");
  }
  return absl::StrCat(kHead, works, "\n## Operators of Envoy that a format may not use\n\n", left_out);
}

}  // namespace sluice::access_log
