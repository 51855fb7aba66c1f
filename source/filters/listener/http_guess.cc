#include "source/filters/listener/http_guess.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Of those in use the longest has 17 letters. */
constexpr size_t kLongestMethod = 32;

/** A token (RFC 9110 5.6.2), or what one may begin with. */
bool mayBeMethod(absl::string_view word) {
  return word.size() <= kLongestMethod && std::all_of(word.begin(), word.end(), [](char c) {
           return absl::ascii_isalnum(c) || absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
         });
}

/** A request line without its end. */
HttpGuess guessLine(absl::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t version = line.rfind(' ');
  if (method_end == absl::string_view::npos || version == method_end || method_end == 0 ||
      !mayBeMethod(line.substr(0, method_end))) {
    return HttpGuess::None;
  }
  const absl::string_view target = line.substr(method_end + 1, version - method_end - 1);
  const bool plain = std::all_of(target.begin(), target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
  if (target.empty() || !plain) {
    return HttpGuess::None;
  }
  const absl::string_view name = line.substr(version + 1);
  return name == "HTTP/1.1" ? HttpGuess::Http11 : name == "HTTP/1.0" ? HttpGuess::Http10 : HttpGuess::None;
}

}  // namespace

HttpGuess guessHttp(absl::string_view bytes) {
  // What comes after the longest line there may be changes nothing.
  bytes = bytes.substr(0, kMaxRequestLine);
  const size_t common = std::min(bytes.size(), kPreface.size());
  if (bytes.substr(0, common) == kPreface.substr(0, common)) {
    return common == kPreface.size() ? HttpGuess::Http2 : HttpGuess::NeedMore;
  }
  // Empty lines before a request are to be borne with (RFC 9112 2.2).
  const size_t begin = bytes.find_first_not_of("\r\n");
  const HttpGuess unended = bytes.size() < kMaxRequestLine ? HttpGuess::NeedMore : HttpGuess::TooLong;
  if (begin == absl::string_view::npos) {
    return unended;
  }
  const absl::string_view request = bytes.substr(begin);
  const size_t end = request.find('\n');
  if (end == absl::string_view::npos) {
    const size_t space = request.find(' ');
    const bool possible = space != 0 && mayBeMethod(request.substr(0, space));
    return possible ? unended : HttpGuess::None;
  }
  absl::string_view line = request.substr(0, end);
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  return guessLine(line);
}

}  // namespace sluice::filters
