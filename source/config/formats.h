#pragma once

#include "absl/strings/string_view.h"

namespace sluice::config {

// The well-known formats of strings that validate.rules name, as protoc-gen-validate defines them.

bool isHostname(absl::string_view text);  // RFC 1034, without a trailing dot's label
bool isIpv4(absl::string_view text);
bool isIpv6(absl::string_view text);
bool isEmail(absl::string_view text);  // an address alone, RFC 5322's addr-spec without quoting
bool isUri(absl::string_view text);    // RFC 3986, with a scheme
bool isUriReference(absl::string_view text);
bool isUuid(absl::string_view text);
/// Not strict means: whatever cannot split a header (no NUL, CR, LF).
bool isHttpHeaderName(absl::string_view text, bool strict);
bool isHttpHeaderValue(absl::string_view text, bool strict);

}  // namespace sluice::config
