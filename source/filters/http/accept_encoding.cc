#include "source/filters/http/accept_encoding.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "source/filters/http/compressor.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kIdentity = "identity";

struct Accepted {
  absl::string_view encoding;
  float q = 1;
};

/** Null-sized when the q-value is none. */
bool parse(absl::string_view token, Accepted& out) {
  const std::vector<absl::string_view> parts = absl::StrSplit(token, ';');
  out.encoding = absl::StripAsciiWhitespace(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    const absl::string_view parameter = absl::StripAsciiWhitespace(parts[i]);
    if (parameter.size() > 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=') {
      return absl::SimpleAtof(absl::StripAsciiWhitespace(parameter.substr(2)), &out.q);
    }
  }
  return !out.encoding.empty();
}

}  // namespace

bool contentTypeAllowed(const http::HeaderMap& headers, const CompressorConfig& config, bool request) {
  const CompressedDirection& direction = request ? config.settings().request : config.settings().response;
  const absl::string_view type = headers.get(http::HeaderId::ContentType);
  if (type.empty() || direction.content_types.empty()) {
    return true;
  }
  const absl::string_view bare = absl::StripAsciiWhitespace(type.substr(0, type.find(';')));
  return direction.content_types.contains(absl::AsciiStrToLower(bare));
}

EncodingChoice chooseEncoding(const std::vector<const CompressorConfig*>& compressors, absl::string_view accepted,
                              const http::HeaderMap& response) {
  // In order of preference: the chain's, but for one that is to be chosen first.
  std::vector<absl::string_view> offered;
  for (const CompressorConfig* compressor : compressors) {
    if (!contentTypeAllowed(response, *compressor, false)) {
      continue;
    }
    const absl::string_view encoding = compressor->settings().library->contentEncoding();
    const auto found = std::find(offered.begin(), offered.end(), encoding);
    if (compressor->settings().choose_first) {
      if (found != offered.end()) {
        offered.erase(found);
      }
      offered.insert(offered.begin(), encoding);
    } else if (found == offered.end()) {
      offered.push_back(encoding);
    }
  }
  std::vector<Accepted> wanted;
  for (const absl::string_view token : absl::StrSplit(accepted, ',')) {
    Accepted one;
    if (!parse(token, one)) {
      continue;
    }
    wanted.push_back(one);
    if (one.q <= 0) {
      offered.erase(std::remove(offered.begin(), offered.end(), one.encoding), offered.end());
    }
  }
  if (wanted.empty() || offered.empty()) {
    return {kIdentity, EncodingChoice::Why::NotValid};
  }
  const auto rank = [&](absl::string_view encoding) { return std::find(offered.begin(), offered.end(), encoding); };
  const Accepted* best = nullptr;
  for (const Accepted& one : wanted) {
    const bool known = one.encoding == kIdentity || one.encoding == "*" || rank(one.encoding) != offered.end();
    if (!known || one.q <= 0) {
      continue;
    }
    if (best == nullptr || one.q > best->q ||
        (one.q == best->q && rank(one.encoding) < rank(best->encoding) && best->encoding != kIdentity &&
         best->encoding != "*")) {
      best = &one;
    }
  }
  if (best == nullptr) {
    return {kIdentity, EncodingChoice::Why::NotValid};
  }
  if (best->encoding == kIdentity) {
    return {kIdentity, EncodingChoice::Why::Identity};
  }
  if (best->encoding == "*") {
    return {offered.front(), EncodingChoice::Why::Wildcard};
  }
  return {*rank(best->encoding), EncodingChoice::Why::Named};
}

}  // namespace sluice::filters
