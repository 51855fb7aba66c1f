#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

#include "source/http/header_map.h"
#include "source/http/http1_settings.h"
#include "source/net/buffer.h"

namespace sluice::http {

/** What a message's head says of its framing, apart from its fields. */
enum class Http1Framing : uint8_t {
  /** Nothing is added; Content-Length is written if the map has one. */
  AsGiven,
  /** As given, but Content-Length is left out. */
  None,
  EmptyBody,
  Chunked,
  /** The connection's end is the body's: Connection says close. */
  UntilClose,
};

// Heads in HTTP/1's form, each written in one piece to the end of `out`; returns its size. Pseudo-headers and
// Transfer-Encoding of the map are left out, :authority is written as Host. A CR, LF or NUL in a value, which no codec
// lets in, becomes a space, and what may not be in a target is percent-encoded: nothing that is sent on can begin a
// message of its own.

uint32_t encodeHttp1Request(const HeaderMap& headers, Http1Framing framing, const Http1Settings& settings,
                            net::Buffer& out);
uint32_t encodeHttp1Response(const HeaderMap& headers, uint32_t status, bool http10, Http1Framing framing,
                             HeaderCase header_case, net::Buffer& out);
/** The last chunk, the trailers and the empty line. */
uint32_t encodeHttp1Trailers(const HeaderMap& trailers, HeaderCase header_case, net::Buffer& out);

/** "Not Found"; "Unknown" for codes that have no name. */
absl::string_view reasonPhrase(uint32_t status);

}  // namespace sluice::http
