// What a request's head says, judged before anybody hears of it: version, framing, Connection, target.

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

#include "source/http/http1_codec.h"

namespace sluice::http {
namespace {

constexpr Http1Refusal kInvalidUrl{400, "http1.invalid_url"};
constexpr Http1Refusal kInvalidAuthority{400, "http.invalid_authority"};
constexpr Http1Refusal kNoRefusal{};

/** RFC 3986's characters of an authority: host, port, userinfo. */
bool validAuthority(absl::string_view authority) {
  return std::all_of(authority.begin(), authority.end(), [](char c) {
    return absl::ascii_isalnum(c) || (c != '\0' && std::strchr("-._~!$&'()*+,;=:[]@%", c) != nullptr);
  });
}

/** "host:port"; a port is demanded, or allowed. */
bool validHostPort(absl::string_view authority, bool port_demanded) {
  if (authority.empty() || !validAuthority(authority)) {
    return false;
  }
  size_t colon = authority.rfind(':');
  if (authority.front() == '[') {
    const size_t bracket = authority.find(']');
    if (bracket == absl::string_view::npos || bracket == 1) {
      return false;
    }
    const absl::string_view rest = authority.substr(bracket + 1);
    if (!rest.empty() && rest.front() != ':') {
      return false;
    }
    colon = rest.empty() ? absl::string_view::npos : bracket + 1;
  }
  if (colon == absl::string_view::npos) {
    return !port_demanded;
  }
  const absl::string_view port = authority.substr(colon + 1);
  uint32_t number = 0;
  return colon > 0 && !port.empty() && std::all_of(port.begin(), port.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(port, &number) && number <= 65535;
}

/** What Connection may name without anything being removed for it. */
bool isConnectionOption(absl::string_view token) {
  return token == "close" || token == "keep-alive" || token == "upgrade" || token == "http2-settings";
}

/** Naming these would have a hop take out what routing and trust rest on. */
bool mayNotBeNamed(absl::string_view token) {
  return token.front() == ':' || token == "host" || token == "x-forwarded-for" || token == "x-forwarded-host" ||
         token == "x-forwarded-proto";
}

}  // namespace

Http1Refusal Http1ServerCodec::checkVersion() {
  if (parser_.versionIs(1, 1) || (settings_.accept_http_10 && parser_.versionIs(1, 0))) {
    return kNoRefusal;
  }
  return {426, "low_version"};
}

Http1Refusal Http1ServerCodec::checkFraming(HeaderMap& headers) {
  if (connect_request_) {
    if (parser_.hasTransferEncoding()) {
      return {501, "http1.invalid_transfer_encoding"};
    }
    if (parser_.contentLength() > 0) {
      return {400, "http1.body_disallowed"};
    }
    headers.remove(HeaderId::ContentLength);
    return kNoRefusal;
  }
  if (!parser_.hasTransferEncoding()) {
    return kNoRefusal;
  }
  // Only "chunked", and once: any other coding would have to be undone here to know what is sent on.
  if (!parser_.chunked()) {
    return {501, "http1.invalid_transfer_encoding"};
  }
  if (parser_.hasContentLength()) {
    if (!settings_.allow_chunked_length) {
      return {400, "http1.content_length_and_chunked_not_allowed"};
    }
    // RFC 9112, section 6.1: the length is not sent on, and the connection is not trusted with more.
    headers.remove(HeaderId::ContentLength);
    close_after_ = true;
  }
  if (http10_) {
    close_after_ = true;
  }
  return kNoRefusal;
}

Http1Refusal Http1ServerCodec::checkConnection(HeaderMap& headers) {
  if (headers.has(HeaderId::Upgrade)) {
    const bool asked = !http10_ && http1HasToken(headers, HeaderId::Connection, "upgrade");
    const bool h2c = http1HasToken(headers, HeaderId::Upgrade, "h2c");
    if (asked && !h2c) {
      upgrade_request_ = true;
      headers.remove(HeaderId::TransferEncoding);
    } else {
      headers.remove(HeaderId::Upgrade);
      headers.remove(HeaderId::Http2Settings);
    }
  }
  for (const Header* field = headers.find(HeaderId::Connection); field != nullptr; field = headers.next(*field)) {
    absl::string_view rest = field->value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const absl::string_view token = absl::StripAsciiWhitespace(rest.substr(0, comma));
      rest = comma == absl::string_view::npos ? absl::string_view() : rest.substr(comma + 1);
      constexpr size_t kLongest = 256;
      if (token.empty()) {
        continue;
      }
      if (token.size() > kLongest) {
        return {400, "http1.connection_header_rejected"};
      }
      char lower[kLongest];
      std::transform(token.begin(), token.end(), lower, absl::ascii_tolower);
      const absl::string_view name(lower, token.size());
      if (isConnectionOption(name)) {
        continue;
      }
      if (mayNotBeNamed(name)) {
        return {400, "http1.connection_header_rejected"};
      }
      if (name == "connection") {
        continue;
      }
      if (name == "te" && http1HasToken(headers, HeaderId::Te, "trailers")) {
        headers.setView(HeaderId::Te, "trailers");
        continue;
      }
      if (name != "transfer-encoding" && name != "content-length") {
        headers.remove(name);
      }
    }
  }
  return kNoRefusal;
}

Http1Refusal Http1ServerCodec::checkTarget(HeaderMap& headers) {
  // RFC 9112, section 3.2: more than one Host is refused, whatever they say.
  if (parser_.hosts() > 1) {
    return kInvalidAuthority;
  }
  const absl::string_view target = parser_.target();
  if (connect_request_) {
    if (!validHostPort(target, true)) {
      return kInvalidUrl;
    }
    headers.setView(HeaderId::Authority, target);
    headers.remove(HeaderId::Path);
    return kNoRefusal;
  }
  if (target.empty()) {
    return kInvalidUrl;
  }
  const bool asterisk = target == "*";
  if (target.front() != '/' && !asterisk && settings_.allow_absolute_url) {
    return takeAbsoluteTarget(headers, target);
  }
  if (asterisk && !parser_.optionsMethod()) {
    return kInvalidUrl;
  }
  if (!validAuthority(headers.get(HeaderId::Authority))) {
    return kInvalidAuthority;
  }
  if (headers.get(HeaderId::Authority).empty()) {
    if (http10_ && parser_.hosts() == 0 && !settings_.default_host.empty()) {
      headers.set(HeaderId::Authority, settings_.default_host);
    } else if (parser_.hosts() == 0) {
      headers.remove(HeaderId::Authority);
    }
  }
  return kNoRefusal;
}

Http1Refusal Http1ServerCodec::takeAbsoluteTarget(HeaderMap& headers, absl::string_view target) {
  const size_t end = target.find("://");
  if (end == absl::string_view::npos) {
    return kInvalidUrl;
  }
  const absl::string_view scheme = target.substr(0, end);
  const bool https = absl::EqualsIgnoreCase(scheme, "https");
  if (!https && !absl::EqualsIgnoreCase(scheme, "http")) {
    return {400, "http1.invalid_scheme"};
  }
  const absl::string_view rest = target.substr(end + 3);
  const size_t path_at = std::min(rest.find_first_of("/?#"), rest.size());
  absl::string_view authority = rest.substr(0, path_at);
  if (const size_t at = authority.rfind('@'); at != absl::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  if (!validHostPort(authority, false)) {
    return kInvalidUrl;
  }
  headers.setView(HeaderId::Authority, authority);
  absl::string_view path = rest.substr(path_at);
  if (path.empty()) {
    headers.setView(HeaderId::Path, "/");
  } else if (path.front() == '/') {
    headers.setView(HeaderId::Path, path);
  } else {
    headers.set(HeaderId::Path, "/");
    headers.append(HeaderId::Path, path, "");
  }
  headers.addView(HeaderId::Scheme, https ? "https" : "http");
  return kNoRefusal;
}

}  // namespace sluice::http
