#include "absl/strings/str_cat.h"

#include "source/admin/endpoint.h"

namespace sluice::admin {

std::string helpText(absl::Span<const Endpoint> endpoints) {
  std::string text = "admin commands are:\n";
  for (const Endpoint& endpoint : endpoints) {
    absl::StrAppend(&text, "  ", endpoint.path, endpoint.changes ? " (POST)" : "", ": ", endpoint.help, "\n");
    for (const Parameter& parameter : endpoint.parameters) {
      absl::StrAppend(&text, "      ", parameter.name, ": ", parameter.help);
      if (parameter.kind == Parameter::Kind::Choice) {
        absl::StrAppend(&text, "; One of (", parameter.choices, ")");
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace sluice::admin
