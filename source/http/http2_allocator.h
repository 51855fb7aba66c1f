#pragma once

#include <cstddef>

#include <nghttp2/nghttp2.h>

namespace sluice::http {

/**
 * Memory for nghttp2 from free lists of the calling thread, by size class, so that in steady state a stream asks nothing
 * of the global heap. What is kept is bounded. A session stays on one thread, and so does its memory.
 */
nghttp2_mem* http2Memory();

/** For tests: how many blocks this thread asked of the global heap so far. */
size_t http2MemoryMisses();

}  // namespace sluice::http
