#include "source/config/formats.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace sluice::config {
namespace {

constexpr absl::string_view kNone("", 0);

bool consistsOf(absl::string_view text, bool (*good)(unsigned char)) {
  return std::all_of(text.begin(), text.end(), good);
}

bool isIp(int family, absl::string_view text) {
  unsigned char address[sizeof(in6_addr)];
  return text.find('\0') == absl::string_view::npos && inet_pton(family, std::string(text).c_str(), address) == 1;
}

bool isUriCharacter(unsigned char c) {
  constexpr absl::string_view kOthers = "-._~:/?#[]@!$&'()*+,;=%";
  return absl::ascii_isalnum(c) || kOthers.find(static_cast<char>(c)) != absl::string_view::npos;
}

bool hasBrokenPercent(absl::string_view text) {
  for (size_t i = text.find('%'); i != absl::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) || !absl::ascii_isxdigit(text[i + 2])) {
      return true;
    }
  }
  return false;
}

// The scheme in front of the first colon; empty if there is none.
absl::string_view schemeOf(absl::string_view text) {
  const size_t end = text.find_first_of(":/?#");
  if (end == absl::string_view::npos || end == 0 || text[end] != ':' || !absl::ascii_isalpha(text[0])) {
    return kNone;
  }
  const absl::string_view scheme = text.substr(0, end);
  const bool good =
      consistsOf(scheme, [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.'; });
  return good ? scheme : kNone;
}

bool cannotSplitHeader(unsigned char c) { return c != '\0' && c != '\r' && c != '\n'; }

}  // namespace

bool isHostname(absl::string_view text) {
  if (!text.empty() && text.back() == '.') {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > 253) {
    return false;
  }
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !consistsOf(label, [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

bool isIpv4(absl::string_view text) { return isIp(AF_INET, text); }
bool isIpv6(absl::string_view text) { return isIp(AF_INET6, text); }

bool isEmail(absl::string_view text) {
  const size_t at = text.rfind('@');
  if (at == absl::string_view::npos || at == 0 || at > 64 || text.size() > 254) {
    return false;
  }
  const absl::string_view local = text.substr(0, at);
  constexpr auto kGood = [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("!#$%&'*+-/=?^_`{|}~.").find(static_cast<char>(c)) != absl::string_view::npos;
  };
  return consistsOf(local, kGood) && local.front() != '.' && local.back() != '.' &&
         local.find("..") == absl::string_view::npos && isHostname(text.substr(at + 1));
}

bool isUri(absl::string_view text) { return !schemeOf(text).empty() && isUriReference(text); }

bool isUriReference(absl::string_view text) {
  if (!consistsOf(text, isUriCharacter) || hasBrokenPercent(text)) {
    return false;
  }
  // A colon in the first segment of a path would read as a scheme's end (section 4.2).
  const size_t colon = text.find(':');
  return colon == absl::string_view::npos || colon > text.find_first_of("/?#") || !schemeOf(text).empty();
}

bool isUuid(absl::string_view text) {
  if (text.size() != 36) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(text[i])) {
      return false;
    }
  }
  return true;
}

bool isHttpHeaderName(absl::string_view text, bool strict) {
  if (!strict) {
    return consistsOf(text, cannotSplitHeader);
  }
  if (!text.empty() && text.front() == ':') {
    text.remove_prefix(1);
  }
  return !text.empty() && consistsOf(text, [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("!#$%&'*+-.^_|~`").find(static_cast<char>(c)) != absl::string_view::npos;
  });
}

bool isHttpHeaderValue(absl::string_view text, bool strict) {
  if (!strict) {
    return consistsOf(text, cannotSplitHeader);
  }
  return consistsOf(text, [](unsigned char c) { return (c >= 0x20 && c != 0x7F) || c == '\t'; });
}

}  // namespace sluice::config
