#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::filters {

enum class HttpGuess : uint8_t { NeedMore, None, Http10, Http11, Http2, TooLong };

/** A request line may be this long. */
inline constexpr size_t kMaxRequestLine = 64 * 1024;

/**
 * What a client speaks, by its first bytes: the HTTP/2 preface (RFC 9113 3.4), or an HTTP/1 request line (RFC 9112 3) with
 * whatever method. However the bytes come in pieces, they lead to the same.
 */
HttpGuess guessHttp(absl::string_view bytes);

}  // namespace sluice::filters
