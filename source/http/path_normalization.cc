#include "source/http/path_normalization.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace sluice::http {
namespace {

int hexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** The byte that "%XX" at `at` stands for; -1 when it is no escape. */
int escapedByte(absl::string_view path, size_t at) {
  if (at + 2 >= path.size() || path[at] != '%') {
    return -1;
  }
  const int high = hexValue(path[at + 1]);
  const int low = hexValue(path[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** RFC 3986's unreserved characters: an escape of one means the same without. */
bool isUnreserved(int c) { return c < 128 && (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~'); }

bool needsEscape(unsigned char c) {
  return c <= ' ' || c >= 127 || c == '"' || c == '<' || c == '>' || c == '`' || c == '{' || c == '}' || c == '#' ||
         c == '?';
}

void appendEscaped(unsigned char c, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  out += '%';
  out += kHex[c >> 4];
  out += kHex[c & 15];
}

/** Ends the segment that began at `begin`: "." goes, ".." takes the one before with it. False when it was one of these. */
bool endSegment(std::string& out, size_t begin) {
  const absl::string_view segment = absl::string_view(out).substr(begin);
  if (segment == ".") {
    out.resize(begin);
    return false;
  }
  if (segment == "..") {
    // `begin` is behind a slash; the one before that begins the segment that goes.
    const size_t slash = begin >= 2 ? out.rfind('/', begin - 2) : std::string::npos;
    out.resize(slash == std::string::npos ? begin : slash + 1);
    return false;
  }
  return true;
}

/** Whether no rule could change this path: so it is with nearly all of them. */
bool isPlain(absl::string_view path) {
  char before = 0;
  for (const char c : path) {
    if (c == '%' || c == '\\' || needsEscape(static_cast<unsigned char>(c)) ||
        (before == '/' && (c == '/' || c == '.'))) {
      return false;
    }
    before = c;
  }
  return true;
}

bool unescapeSlashes(absl::string_view path, std::string& out) {
  bool found = false;
  for (size_t i = 0; i < path.size(); ++i) {
    const int byte = escapedByte(path, i);
    if (byte == '/' || byte == '\\') {
      out += static_cast<char>(byte);
      i += 2;
      found = true;
    } else {
      out += path[i];
    }
  }
  return found;
}

void mergeSlashes(std::string& path) {
  size_t to = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '/' || to == 0 || path[to - 1] != '/') {
      path[to++] = path[i];
    }
  }
  path.resize(to);
}

}  // namespace

bool canonicalizePath(absl::string_view path, std::string& out) {
  size_t segment = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '/' || c == '\\') {
      if (endSegment(out, segment)) {
        out += '/';
      }
      segment = out.size();
      continue;
    }
    if (c == '%') {
      const int byte = escapedByte(path, i);
      if (byte == 0) {
        return false;
      }
      if (byte > 0) {
        if (isUnreserved(byte)) {
          out += static_cast<char>(byte);
        } else {
          out.append(path.data() + i, 3);
        }
        i += 2;
        continue;
      }
      out += c;
      continue;
    }
    if (c == '\0') {
      return false;
    }
    if (needsEscape(static_cast<unsigned char>(c))) {
      appendEscaped(static_cast<unsigned char>(c), out);
    } else {
      out += c;
    }
  }
  endSegment(out, segment);
  return true;
}

PathOutcome normalizePath(HeaderMap& headers, const RequestHeaderSettings& settings) {
  const absl::string_view original = headers.get(HeaderId::Path);
  if (original.data() == nullptr) {
    return PathOutcome::Continue;
  }
  if (absl::StrContains(original, '#')) {
    return PathOutcome::Reject;
  }
  if (!settings.normalize_path && !settings.merge_slashes && settings.escaped_slashes == EscapedSlashes::Keep) {
    return PathOutcome::Continue;
  }
  const size_t query_at = original.find('?');
  const absl::string_view query = query_at == absl::string_view::npos ? "" : original.substr(query_at);
  if (isPlain(original.substr(0, query_at))) {
    return PathOutcome::Continue;
  }
  std::string path(original.substr(0, query_at));
  PathOutcome outcome = PathOutcome::Continue;
  if (settings.escaped_slashes != EscapedSlashes::Keep) {
    std::string unescaped;
    if (unescapeSlashes(path, unescaped)) {
      if (settings.escaped_slashes == EscapedSlashes::Reject) {
        return PathOutcome::Reject;
      }
      if (settings.escaped_slashes == EscapedSlashes::UnescapeAndRedirect) {
        outcome = PathOutcome::Redirect;
      }
      path = std::move(unescaped);
    }
  }
  if (settings.normalize_path) {
    std::string canonical;
    if (!canonicalizePath(path, canonical)) {
      return PathOutcome::Reject;
    }
    path = std::move(canonical);
  }
  if (settings.merge_slashes) {
    mergeSlashes(path);
  }
  path.append(query.data(), query.size());
  if (absl::string_view(path) != original) {
    headers.set(HeaderId::Path, path);
  }
  return outcome;
}

}  // namespace sluice::http
