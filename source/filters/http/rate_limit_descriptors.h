#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

#include "source/filters/common/header_rules.h"
#include "source/http/filter.h"

namespace envoy::config::route::v3 {
class RateLimit;
}

namespace sluice::filters {

/** The entries of one descriptor in a form that can be looked up: lengths tell them apart. */
using DescriptorKey = absl::InlinedVector<char, 128>;
void appendEntry(DescriptorKey& descriptor, absl::string_view key, absl::string_view value);

/** One part of what a request's descriptor is made of. */
struct DescriptorAction {
  enum class Kind : uint8_t {
    RequestHeader,
    QueryParameter,
    RemoteAddress,
    MaskedRemoteAddress,
    GenericKey,
    HeaderValueMatch,
    DestinationCluster,
  };
  Kind kind = Kind::GenericKey;
  std::string key;
  /** The name of the header or parameter, or the value as it is. */
  std::string text;
  /** Else a request that lacks it has no descriptor. */
  bool skip_if_absent = false;
  HeaderMatchers headers;
  bool expect_match = true;
  uint8_t ipv4_bits = 32;
  uint8_t ipv6_bits = 128;
};

/** The actions of one rate limit; a request has at most one descriptor of it. Immutable; any thread. */
class DescriptorRule {
 public:
  static DescriptorRule read(const envoy::config::route::v3::RateLimit& proto, const runtime::Snapshot& runtime,
                             const config::FieldPath& path, config::Violations& violations);
  /** False when an action has nothing to say about the request. */
  bool describe(http::StreamFilterCallbacks& callbacks, const http::HeaderMap& headers, DescriptorKey& out) const;

 private:
  std::vector<DescriptorAction> actions_;
};

}  // namespace sluice::filters
