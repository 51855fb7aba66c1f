#pragma once

#include <nghttp2/nghttp2.h>

namespace sluice::http {

/** What nghttp2 calls on behalf of an Http2Session, its user data; one table for the whole process. */
const nghttp2_session_callbacks* http2Callbacks();

/** Has nghttp2 take a stream's DATA from its Http2Stream's buffer. */
nghttp2_data_provider http2DataProvider();

}  // namespace sluice::http
