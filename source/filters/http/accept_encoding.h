#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/http/header_map.h"
#include "source/net/filter_state.h"

namespace sluice::filters {

class CompressorConfig;

/** What a client's accept-encoding and the chain's compressors agree on. */
struct EncodingChoice {
  enum class Why : uint8_t { Named, Identity, Wildcard, NotValid };
  /** "identity" for none. Static, or the library's. */
  absl::string_view encoding = "identity";
  Why why = Why::NotValid;
};

/** The compressors of one stream's chain, which choose together and once. In its filter state. */
struct CompressorRegistry : net::FilterState::Object {
  static constexpr absl::string_view kName = "sluice.http.compressors";
  std::string serialize() const override { return {}; }

  mutable std::vector<const CompressorConfig*> compressors;
  mutable bool chosen = false;
  mutable EncodingChoice choice;
};

/** The encoding with the highest q-value that a compressor offers for these response headers (RFC 9110, section 12.5.3). */
EncodingChoice chooseEncoding(const std::vector<const CompressorConfig*>& compressors, absl::string_view accepted,
                              const http::HeaderMap& response);

/** Of a content-type, without its parameters, whatever its case. An empty list of types allows all, as does no type. */
bool contentTypeAllowed(const http::HeaderMap& headers, const CompressorConfig& config, bool request);

}  // namespace sluice::filters
