#pragma once

#include "absl/container/inlined_vector.h"
#include <nghttp2/nghttp2.h>

#include "source/http/header_map.h"
#include "source/http/upgrade_translation.h"

namespace sluice::http {

/** A header block for nghttp2, on the stack in all but odd cases; views into the map that it was made of. */
using Http2HeaderBlock = absl::InlinedVector<nghttp2_nv, 48>;

/**
 * Pseudo-headers come first (RFC 9113, section 8.3). What belongs to one HTTP/1 connection is left out (section 8.2.2), as
 * is `host` beside `:authority`. nghttp2 copies the texts of a block when it is submitted.
 */
void encodeHttp2Headers(const HeaderMap& headers, const Http2Upgrade& upgrade, Http2HeaderBlock& block);

}  // namespace sluice::http
