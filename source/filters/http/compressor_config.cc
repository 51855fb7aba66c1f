#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb.h"
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb.h"

#include "source/config/type_registry.h"
#include "source/filters/http/compressor.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using BrotliProto = envoy::extensions::compression::brotli::compressor::v3::Brotli;
using GzipProto = envoy::extensions::compression::gzip::compressor::v3::Gzip;
using PerRouteProto = envoy::extensions::filters::http::compressor::v3::CompressorPerRoute;
using Proto = envoy::extensions::filters::http::compressor::v3::Compressor;

constexpr const char* kCompressibleTypes[] = {"application/javascript",
                                              "application/json",
                                              "application/xhtml+xml",
                                              "image/svg+xml",
                                              "text/css",
                                              "text/html",
                                              "text/plain",
                                              "text/xml"};

std::shared_ptr<const CompressionLibrary> gzip(const GzipProto& proto) {
  GzipSettings settings;
  // The proto's levels are zlib's, but for the default; its strategies are in another order.
  settings.level = proto.compression_level() == GzipProto::DEFAULT_COMPRESSION ? -1 : proto.compression_level();
  switch (proto.compression_strategy()) {
    case GzipProto::FILTERED:
      settings.strategy = 1;
      break;
    case GzipProto::HUFFMAN_ONLY:
      settings.strategy = 2;
      break;
    case GzipProto::RLE:
      settings.strategy = 3;
      break;
    case GzipProto::FIXED:
      settings.strategy = 4;
      break;
    default:
      break;
  }
  if (proto.has_window_bits()) {
    settings.window_bits = static_cast<int>(proto.window_bits().value());
  }
  if (proto.has_memory_level()) {
    settings.memory_level = static_cast<int>(proto.memory_level().value());
  }
  if (proto.has_chunk_size()) {
    settings.chunk_size = proto.chunk_size().value();
  }
  return gzipLibrary(settings);
}

std::shared_ptr<const CompressionLibrary> brotli(const BrotliProto& proto) {
  BrotliSettings settings;
  if (proto.has_quality()) {
    settings.quality = proto.quality().value();
  }
  // Its own default is the generic mode.
  settings.mode = proto.encoder_mode() == BrotliProto::TEXT ? 1 : proto.encoder_mode() == BrotliProto::FONT ? 2 : 0;
  if (proto.has_window_bits()) {
    settings.window_bits = proto.window_bits().value();
  }
  if (proto.has_input_block_bits()) {
    settings.input_block_bits = proto.input_block_bits().value();
  }
  if (proto.has_chunk_size()) {
    settings.chunk_size = proto.chunk_size().value();
  }
  settings.disable_literal_context_modeling = proto.disable_literal_context_modeling();
  return brotliLibrary(settings);
}

/** Null, with a violation, if it is none. */
std::shared_ptr<const CompressionLibrary> readLibrary(const envoy::config::core::v3::TypedExtensionConfig& proto,
                                                      const config::FieldPath& path, config::Violations& violations) {
  const config::FieldPath at = path.field("typed_config");
  const std::string type = config::extensionTypeName(proto.typed_config());
  if (type != GzipProto::descriptor()->full_name() && type != BrotliProto::descriptor()->full_name()) {
    violations.add(at, type.empty()
                           ? "must hold a compressor library"
                           : absl::StrCat(type, " is no compressor library that Sluice has: gzip and brotli are"));
    return nullptr;
  }
  const std::unique_ptr<google::protobuf::Message> message =
      config::unpackExtension(proto.typed_config(), at, violations);
  if (message == nullptr) {
    return nullptr;
  }
  if (const auto* is_gzip = dynamic_cast<const GzipProto*>(message.get()); is_gzip != nullptr) {
    return gzip(*is_gzip);
  }
  return brotli(static_cast<const BrotliProto&>(*message));
}

class CompressorFactory : public HttpFilterFactory {
 public:
  CompressorFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) : main_(main), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PerRouteProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    CompressorSettings settings;
    settings.library_name = proto.compressor_library().name();
    settings.library = readLibrary(proto.compressor_library(), path.field("compressor_library"), violations);
    if (settings.library == nullptr) {
      return nullptr;
    }
    readDirection(proto.request_direction_config().common_config(), settings.request);
    settings.request.enabled = settings.request.enabled && proto.has_request_direction_config();
    settings.choose_first = proto.choose_first();
    settings.has_response_config = proto.has_response_direction_config();
    if (settings.has_response_config) {
      const auto& response = proto.response_direction_config();
      readDirection(response.common_config(), settings.response);
      settings.disable_on_etag = response.disable_on_etag_header();
      settings.remove_accept_encoding = response.remove_accept_encoding_header();
      settings.uncompressible_codes.insert(response.uncompressible_response_codes().begin(),
                                           response.uncompressible_response_codes().end());
    } else {
      readDeprecated(proto, settings);
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<CompressorConfig>(std::move(settings), context.scope));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const PerRouteProto&>(message);
    auto settings = std::make_shared<CompressorPerRoute>();
    settings->disabled = proto.disabled();
    const auto& overrides = proto.overrides();
    if (overrides.response_direction_config().has_remove_accept_encoding_header()) {
      settings->remove_accept_encoding = overrides.response_direction_config().remove_accept_encoding_header().value();
    }
    if (overrides.has_compressor_library()) {
      settings->library =
          readLibrary(overrides.compressor_library(), path.field("overrides").field("compressor_library"), violations);
      if (settings->library == nullptr) {
        return nullptr;
      }
    }
    return settings;
  }

 private:
  static void addTypes(const google::protobuf::RepeatedPtrField<std::string>& types, CompressedDirection& out) {
    for (const std::string& type : types) {
      out.content_types.insert(absl::AsciiStrToLower(type));
    }
    if (types.empty()) {
      out.content_types.insert(std::begin(kCompressibleTypes), std::end(kCompressibleTypes));
    }
  }

  void readDirection(const Proto::CommonDirectionConfig& proto, CompressedDirection& out) const {
    out.enabled = !proto.has_enabled() || runtime::resolve(proto.enabled(), runtime_);
    if (proto.has_min_content_length()) {
      out.min_content_length = proto.min_content_length().value();
    }
    addTypes(proto.content_type(), out);
  }

  void readDeprecated(const Proto& proto, CompressorSettings& out) const {
    out.response.enabled = !proto.has_runtime_enabled() || runtime::resolve(proto.runtime_enabled(), runtime_);
    if (proto.has_content_length()) {
      out.response.min_content_length = proto.content_length().value();
    }
    addTypes(proto.content_type(), out.response);
    out.disable_on_etag = proto.disable_on_etag_header();
    out.remove_accept_encoding = proto.remove_accept_encoding_header();
  }

  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> compressorFactory(event::Dispatcher& main, const runtime::Snapshot& runtime) {
  return std::make_unique<CompressorFactory>(main, runtime);
}

}  // namespace sluice::filters
