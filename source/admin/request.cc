#include "source/admin/request.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"

namespace sluice::admin {
namespace {

std::string decode(absl::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
        absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

Request::Parameters parse(absl::string_view text, bool plus_is_space) {
  Request::Parameters parameters;
  for (absl::string_view part : absl::StrSplit(text, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
    parameters.emplace_back(decode(halves.first, plus_is_space), decode(halves.second, plus_is_space));
  }
  return parameters;
}

}  // namespace

const std::string* Request::find(absl::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

Request::Parameters parseQuery(absl::string_view query) { return parse(query, false); }
Request::Parameters parseForm(absl::string_view form) { return parse(form, true); }

}  // namespace sluice::admin
