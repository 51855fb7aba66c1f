#include "source/filters/http/compressor.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/filters/http/accept_encoding.h"
#include "source/filters/http/pass_through.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;

bool hasToken(absl::string_view list, absl::string_view token) {
  for (const absl::string_view one : absl::StrSplit(list, ',')) {
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(one), token)) {
      return true;
    }
  }
  return false;
}

/** A body without a length is long enough. */
bool longEnough(const HeaderMap& headers, const CompressedDirection& direction, const DirectionStats& stats) {
  const absl::string_view length = headers.get(HeaderId::ContentLength);
  if (length.data() == nullptr) {
    return true;
  }
  uint64_t bytes = 0;
  if (absl::SimpleAtoi(length, &bytes) && bytes >= direction.min_content_length) {
    return true;
  }
  stats.content_length_too_small.inc();
  return false;
}

/** Compressed on the way already. */
bool plainTransfer(const HeaderMap& headers) {
  const absl::string_view coding = headers.get(HeaderId::TransferEncoding);
  return coding.empty() || !(hasToken(coding, "gzip") || hasToken(coding, "deflate") || hasToken(coding, "br"));
}

void sayEncoding(HeaderMap& headers, absl::string_view encoding) {
  headers.remove(HeaderId::ContentLength);
  headers.setView(HeaderId::ContentEncoding, encoding);
}

/** Compresses a stream's bodies where its settings, its route and its client allow it. */
class CompressorFilter final : public PassThroughFilter {
 public:
  explicit CompressorFilter(const CompressorConfig& config)
      : config_(config), library_(config.settings().library.get()) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool end_stream) override {
    const CompressorSettings& settings = config_.settings();
    bool remove_accept_encoding = settings.remove_accept_encoding;
    if (const auto* route = static_cast<const CompressorPerRoute*>(decoder_->perRouteConfig()); route != nullptr) {
      disabled_ = route->disabled;
      remove_accept_encoding = route->remove_accept_encoding.value_or(remove_accept_encoding);
      library_ = route->library != nullptr ? route->library.get() : library_;
    }
    if (disabled_) {
      return HeadersStatus::Continue;
    }
    if (settings.response.enabled) {
      accepted_ = headers.joined("accept-encoding", decoder_->arena());
      if (accepted_.data() != nullptr) {
        registerCompressor();
      }
      if (remove_accept_encoding) {
        headers.remove(HeaderId::AcceptEncoding);
      }
    }
    if (!end_stream && settings.request.enabled && longEnough(headers, settings.request, config_.requestStats()) &&
        contentTypeAllowed(headers, config_, true) && !headers.has(HeaderId::ContentEncoding) &&
        plainTransfer(headers)) {
      sayEncoding(headers, library_->contentEncoding());
      config_.requestStats().compressed.inc();
      request_ = library_->create();
    } else {
      config_.requestStats().not_compressed.inc();
    }
    return HeadersStatus::Continue;
  }

  DataStatus decodeData(net::Buffer& data, bool end_stream) override {
    if (request_ != nullptr) {
      compress(*request_, config_.requestStats(), data, end_stream);
    }
    return DataStatus::Continue;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    if (request_ != nullptr) {
      net::Buffer rest;
      compress(*request_, config_.requestStats(), rest, true);
      decoder_->addDecodedData(rest, true);
    }
    return TrailersStatus::Continue;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool end_stream) override {
    const CompressorSettings& settings = config_.settings();
    if (disabled_ || !settings.response.enabled) {
      return HeadersStatus::Continue;
    }
    const ResponseStats& stats = config_.responseStats();
    const bool long_enough = longEnough(headers, settings.response, stats);
    const bool compressible = long_enough && isCompressible(headers);
    if (!end_stream && long_enough && accepted(headers) && compressible) {
      if (const absl::string_view etag = headers.get(HeaderId::Etag);
          etag.size() > 2 && !absl::StartsWithIgnoreCase(etag, "W/")) {
        // A strong one means these very bytes.
        headers.remove(HeaderId::Etag);
      }
      sayEncoding(headers, library_->contentEncoding());
      stats.compressed.inc();
      response_ = library_->create();
    } else {
      stats.not_compressed.inc();
    }
    if (compressible) {
      sayVary(headers);
    }
    return HeadersStatus::Continue;
  }

  DataStatus encodeData(net::Buffer& data, bool end_stream) override {
    if (response_ != nullptr) {
      compress(*response_, config_.responseStats(), data, end_stream);
    }
    return DataStatus::Continue;
  }
  TrailersStatus encodeTrailers(HeaderMap&) override {
    if (response_ != nullptr) {
      net::Buffer rest;
      compress(*response_, config_.responseStats(), rest, true);
      encoder_->addEncodedData(rest, true);
    }
    return TrailersStatus::Continue;
  }

 private:
  static void compress(BodyCompressor& compressor, const DirectionStats& stats, net::Buffer& data, bool finish) {
    stats.total_uncompressed_bytes.add(data.length());
    compressor.compress(data, finish);
    stats.total_compressed_bytes.add(data.length());
  }

  void registerCompressor() {
    net::FilterState& state = decoder_->streamInfo().makeExtras().filter_state;
    registry_ = static_cast<const CompressorRegistry*>(state.get(CompressorRegistry::kName));
    if (registry_ == nullptr) {
      auto made = std::make_shared<CompressorRegistry>();
      registry_ = made.get();
      state.set(CompressorRegistry::kName, std::move(made));
    }
    registry_->compressors.push_back(&config_);
  }

  bool isCompressible(const HeaderMap& headers) {
    const CompressorSettings& settings = config_.settings();
    uint32_t code = 0;
    if (!contentTypeAllowed(headers, config_, false) || hasToken(headers.get(HeaderId::CacheControl), "no-transform")) {
      return false;
    }
    if (settings.disable_on_etag && headers.has(HeaderId::Etag)) {
      config_.responseStats().not_compressed_etag.inc();
      return false;
    }
    return !headers.has(HeaderId::ContentEncoding) && !headers.has(HeaderId::Upgrade) && plainTransfer(headers) &&
           !(absl::SimpleAtoi(headers.get(HeaderId::Status), &code) && settings.uncompressible_codes.contains(code));
  }

  bool accepted(const HeaderMap& headers) {
    const ResponseStats& stats = config_.responseStats();
    if (registry_ == nullptr) {
      stats.no_accept_header.inc();
      return false;
    }
    if (!registry_->chosen) {
      registry_->choice = chooseEncoding(registry_->compressors, accepted_, headers);
      registry_->chosen = true;
    }
    const bool chosen = registry_->choice.encoding == library_->contentEncoding();
    switch (registry_->choice.why) {
      case EncodingChoice::Why::Named:
        (chosen ? stats.header_compressor_used : stats.header_compressor_overshadowed).inc();
        break;
      case EncodingChoice::Why::Identity:
        stats.header_identity.inc();
        break;
      case EncodingChoice::Why::Wildcard:
        stats.header_wildcard.inc();
        break;
      case EncodingChoice::Why::NotValid:
        stats.header_not_valid.inc();
        break;
    }
    return chosen;
  }

  static void sayVary(HeaderMap& headers) {
    const absl::string_view vary = headers.get(HeaderId::Vary);
    if (vary.empty()) {
      headers.setView(HeaderId::Vary, "Accept-Encoding");
    } else if (!hasToken(vary, "accept-encoding")) {
      headers.append(HeaderId::Vary, "Accept-Encoding", ", ");
    }
  }

  const CompressorConfig& config_;
  const CompressionLibrary* library_;
  /** The client's accept-encoding. */
  absl::string_view accepted_;
  /** The stream's; null when the client named no encoding. */
  const CompressorRegistry* registry_ = nullptr;
  std::unique_ptr<BodyCompressor> request_;
  std::unique_ptr<BodyCompressor> response_;
  bool disabled_ = false;
};

}  // namespace

DirectionStats::DirectionStats(stats::Scope& scope)
    : compressed(scope.counter("compressed")),
      not_compressed(scope.counter("not_compressed")),
      total_uncompressed_bytes(scope.counter("total_uncompressed_bytes")),
      total_compressed_bytes(scope.counter("total_compressed_bytes")),
      content_length_too_small(scope.counter("content_length_too_small")) {}

ResponseStats::ResponseStats(stats::Scope& direction, stats::Scope& scope)
    : DirectionStats(direction),
      no_accept_header(scope.counter("no_accept_header")),
      header_identity(scope.counter("header_identity")),
      header_compressor_used(scope.counter("header_compressor_used")),
      header_compressor_overshadowed(scope.counter("header_compressor_overshadowed")),
      header_wildcard(scope.counter("header_wildcard")),
      header_not_valid(scope.counter("header_not_valid")),
      not_compressed_etag(scope.counter("not_compressed_etag")) {}

CompressorConfig::CompressorConfig(CompressorSettings settings, stats::ScopePtr scope)
    : settings_(std::move(settings)),
      scope_(
          scope->createScope(absl::StrCat("compressor.", settings_.library_name, ".", settings_.library->statName()))),
      request_scope_(scope_->createScope("request")),
      response_scope_(settings_.has_response_config ? scope_->createScope("response") : scope_),
      request_stats_(*request_scope_),
      response_stats_(*response_scope_, *scope_) {}

void CompressorConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<CompressorFilter>(*this));
}

}  // namespace sluice::filters
