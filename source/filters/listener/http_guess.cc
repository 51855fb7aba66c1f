#include "source/filters/listener/http_guess.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** RFC 9110 16.1, and those of WebDAV, UPnP and caches that clients are known to send. */
constexpr absl::string_view kMethods[] = {
    "ACL",    "BIND",     "CHECKOUT",  "CONNECT",    "COPY",       "DELETE", "GET",    "HEAD",        "LINK",
    "LOCK",   "M-SEARCH", "MERGE",     "MKACTIVITY", "MKCALENDAR", "MKCOL",  "MOVE",   "NOTIFY",      "OPTIONS",
    "PATCH",  "POST",     "PROPFIND",  "PROPPATCH",  "PURGE",      "PUT",    "QUERY",  "REBIND",      "REPORT",
    "SEARCH", "SOURCE",   "SUBSCRIBE", "TRACE",      "UNBIND",     "UNLINK", "UNLOCK", "UNSUBSCRIBE",
};

bool isMethod(absl::string_view word) {
  return std::find(std::begin(kMethods), std::end(kMethods), word) != std::end(kMethods);
}

bool beginsMethod(absl::string_view word) {
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [word](absl::string_view method) { return method.substr(0, word.size()) == word; });
}

/** RFC 9110 5.6.2. */
bool isToken(absl::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
  });
}

/** A request line without its end. */
HttpGuess guessLine(absl::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t version = line.rfind(' ');
  if (method_end == absl::string_view::npos || version == method_end || !isToken(line.substr(0, method_end))) {
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
  const size_t common = std::min(bytes.size(), kPreface.size());
  if (bytes.substr(0, common) == kPreface.substr(0, common)) {
    return common == kPreface.size() ? HttpGuess::Http2 : HttpGuess::NeedMore;
  }
  // Empty lines before a request are to be borne with (RFC 9112 2.2).
  const size_t begin = bytes.find_first_not_of("\r\n");
  if (begin == absl::string_view::npos) {
    return HttpGuess::NeedMore;
  }
  const absl::string_view request = bytes.substr(begin);
  const size_t end = request.find('\n');
  if (end == absl::string_view::npos) {
    const size_t space = request.find(' ');
    const bool possible = space == absl::string_view::npos ? beginsMethod(request) : isMethod(request.substr(0, space));
    return possible ? HttpGuess::NeedMore : HttpGuess::None;
  }
  absl::string_view line = request.substr(0, end);
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  return guessLine(line);
}

}  // namespace sluice::filters
