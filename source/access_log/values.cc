#include "source/access_log/values.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace sluice::access_log {

bool appendHostName(absl::string_view name, std::string& out) {
  const auto sane = [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_'; };
  if (std::all_of(name.begin(), name.end(), sane)) {
    return appendText(name, out);
  }
  out += "invalid:";
  for (char c : name) {
    out += sane(c) ? c : '_';
  }
  return true;
}

}  // namespace sluice::access_log
