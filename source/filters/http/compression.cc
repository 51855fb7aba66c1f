#include "source/filters/http/compression.h"

#include <zlib.h>

#include <vector>

#include <brotli/encode.h>

#include "source/base/assert.h"

namespace sluice::filters {
namespace {

/** Of windowBits: a gzip header, not zlib's. */
constexpr int kGzipHeader = 16;

class GzipCompressor final : public BodyCompressor {
 public:
  explicit GzipCompressor(const GzipSettings& settings) : chunk_(settings.chunk_size) {
    const int result = deflateInit2(&stream_, settings.level, Z_DEFLATED, settings.window_bits | kGzipHeader,
                                    settings.memory_level, settings.strategy);
    SLUICE_CHECK(result == Z_OK, "zlib takes no such settings");
  }
  ~GzipCompressor() override { deflateEnd(&stream_); }

  void compress(net::Buffer& data, bool finish) override {
    net::Buffer out;
    data.forEachSlice([&](absl::string_view bytes) {
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(bytes.size());
      deflateTo(out, Z_NO_FLUSH);
    });
    deflateTo(out, finish ? Z_FINISH : Z_SYNC_FLUSH);
    data = std::move(out);
  }

 private:
  void deflateTo(net::Buffer& out, int flush) {
    do {
      stream_.next_out = chunk_.data();
      stream_.avail_out = static_cast<uInt>(chunk_.size());
      const int result = deflate(&stream_, flush);
      // Z_BUF_ERROR: there was nothing to do.
      SLUICE_CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR, "zlib's state is broken");
      out.append({reinterpret_cast<const char*>(chunk_.data()), chunk_.size() - stream_.avail_out});
    } while (stream_.avail_out == 0);
  }

  z_stream stream_{};
  std::vector<Bytef> chunk_;
};

class GzipLibrary final : public CompressionLibrary {
 public:
  explicit GzipLibrary(const GzipSettings& settings) : settings_(settings) {}
  absl::string_view contentEncoding() const override { return "gzip"; }
  absl::string_view statName() const override { return "gzip"; }
  std::unique_ptr<BodyCompressor> create() const override { return std::make_unique<GzipCompressor>(settings_); }

 private:
  const GzipSettings settings_;
};

class BrotliCompressor final : public BodyCompressor {
 public:
  explicit BrotliCompressor(const BrotliSettings& settings)
      : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)), chunk_(settings.chunk_size) {
    SLUICE_CHECK(state_ != nullptr, "no memory for a brotli encoder");
    set(BROTLI_PARAM_QUALITY, settings.quality);
    set(BROTLI_PARAM_MODE, settings.mode);
    set(BROTLI_PARAM_LGWIN, settings.window_bits);
    set(BROTLI_PARAM_LGBLOCK, settings.input_block_bits);
    set(BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING, settings.disable_literal_context_modeling ? 1 : 0);
  }
  ~BrotliCompressor() override { BrotliEncoderDestroyInstance(state_); }

  void compress(net::Buffer& data, bool finish) override {
    net::Buffer out;
    data.forEachSlice([&](absl::string_view bytes) { encodeTo(out, bytes, BROTLI_OPERATION_PROCESS); });
    encodeTo(out, {}, finish ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH);
    data = std::move(out);
  }

 private:
  void set(BrotliEncoderParameter parameter, uint32_t value) {
    SLUICE_CHECK(BrotliEncoderSetParameter(state_, parameter, value) == BROTLI_TRUE, "brotli takes no such settings");
  }

  void encodeTo(net::Buffer& out, absl::string_view bytes, BrotliEncoderOperation operation) {
    size_t left = bytes.size();
    const auto* next = reinterpret_cast<const uint8_t*>(bytes.data());
    do {
      size_t room = chunk_.size();
      uint8_t* to = chunk_.data();
      const BROTLI_BOOL ok = BrotliEncoderCompressStream(state_, operation, &left, &next, &room, &to, nullptr);
      SLUICE_CHECK(ok == BROTLI_TRUE, "brotli's state is broken");
      out.append({reinterpret_cast<const char*>(chunk_.data()), chunk_.size() - room});
    } while (left > 0 || BrotliEncoderHasMoreOutput(state_) == BROTLI_TRUE);
  }

  BrotliEncoderState* const state_;
  std::vector<uint8_t> chunk_;
};

class BrotliLibrary final : public CompressionLibrary {
 public:
  explicit BrotliLibrary(const BrotliSettings& settings) : settings_(settings) {}
  absl::string_view contentEncoding() const override { return "br"; }
  absl::string_view statName() const override { return "brotli"; }
  std::unique_ptr<BodyCompressor> create() const override { return std::make_unique<BrotliCompressor>(settings_); }

 private:
  const BrotliSettings settings_;
};

}  // namespace

std::shared_ptr<const CompressionLibrary> gzipLibrary(const GzipSettings& settings) {
  return std::make_shared<GzipLibrary>(settings);
}

std::shared_ptr<const CompressionLibrary> brotliLibrary(const BrotliSettings& settings) {
  return std::make_shared<BrotliLibrary>(settings);
}

}  // namespace sluice::filters
