#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "source/http/header_map.h"
#include "source/http/request_headers.h"

namespace sluice::http {

enum class PathOutcome : uint8_t {
  Continue,
  /** 400. */
  Reject,
  /** 307 to the path as it is in the headers now. */
  Redirect,
};

/** Brings :path into the form that is matched and forwarded, as the settings say. A path with a fragment is refused. */
PathOutcome normalizePath(HeaderMap& headers, const RequestHeaderSettings& settings);

/**
 * Dot segments are taken out, backslashes become slashes, needless escapes are undone and missing ones made, as browsers
 * do (RFC 3986, section 6). `path` is without a query. False when it can't be: it holds a NUL.
 */
bool canonicalizePath(absl::string_view path, std::string& out);

}  // namespace sluice::http
