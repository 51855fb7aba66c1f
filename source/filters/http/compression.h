#pragma once

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

#include "source/net/buffer.h"

namespace sluice::filters {

/** One body on its way through a compression library. One thread. */
class BodyCompressor {
 public:
  virtual ~BodyCompressor() = default;
  /** Replaces `data` by what it becomes, all of it; with `finish` nothing comes after. */
  virtual void compress(net::Buffer& data, bool finish) = 0;
};

/** A compression library with its settings. Immutable; any thread. */
class CompressionLibrary {
 public:
  virtual ~CompressionLibrary() = default;
  /** As in content-encoding: "gzip", "br". Static. */
  virtual absl::string_view contentEncoding() const = 0;
  /** As in statistics' names: "gzip", "brotli". Static. */
  virtual absl::string_view statName() const = 0;
  virtual std::unique_ptr<BodyCompressor> create() const = 0;
};

struct GzipSettings {
  /** As zlib takes them. */
  int level = -1;
  int strategy = 0;
  int window_bits = 12;
  int memory_level = 5;
  uint32_t chunk_size = 4096;
};
std::shared_ptr<const CompressionLibrary> gzipLibrary(const GzipSettings& settings);

struct BrotliSettings {
  uint32_t quality = 3;
  /** As BrotliEncoderMode. */
  uint32_t mode = 0;
  uint32_t window_bits = 18;
  uint32_t input_block_bits = 24;
  uint32_t chunk_size = 4096;
  bool disable_literal_context_modeling = false;
};
std::shared_ptr<const CompressionLibrary> brotliLibrary(const BrotliSettings& settings);

}  // namespace sluice::filters
