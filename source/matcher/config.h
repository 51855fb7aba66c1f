#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "envoy/config/core/v3/address.pb.h"
#include "envoy/type/matcher/v3/filter_state.pb.h"
#include "envoy/type/matcher/v3/metadata.pb.h"
#include "envoy/type/matcher/v3/path.pb.h"
#include "envoy/type/matcher/v3/regex.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/matcher/v3/value.pb.h"
#include "google/protobuf/repeated_field.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/matcher/ip_ranges.h"
#include "source/matcher/metadata_matcher.h"
#include "source/matcher/string_matcher.h"
#include "source/runtime/snapshot.h"

// From the API's messages, once config/validate.h has passed them, to plain values. Mistakes are added to `violations`
// with their path; what is returned is then not to be used.

namespace sluice::matcher {

/** How large a compiled regular expression may get that says nothing of it itself. */
struct RegexLimit {
  uint32_t max_program_size = 100;
  /** The runtime key re2.max_program_size.error_level. */
  static RegexLimit of(const runtime::Snapshot& runtime);
};

/** Null if it is refused. */
std::shared_ptr<const re2::RE2> toRegex(const envoy::type::matcher::v3::RegexMatcher& proto, RegexLimit limit,
                                        const config::FieldPath& path, config::Violations& violations);

StringMatcher toStringMatcher(const envoy::type::matcher::v3::StringMatcher& proto, RegexLimit limit,
                              const config::FieldPath& path, config::Violations& violations);

/** To be asked of pathAlone(). */
StringMatcher toPathMatcher(const envoy::type::matcher::v3::PathMatcher& proto, RegexLimit limit,
                            const config::FieldPath& path, config::Violations& violations);

ValueMatcher toValueMatcher(const envoy::type::matcher::v3::ValueMatcher& proto, RegexLimit limit,
                            const config::FieldPath& path, config::Violations& violations);

MetadataMatcher toMetadataMatcher(const envoy::type::matcher::v3::MetadataMatcher& proto, RegexLimit limit,
                                  const config::FieldPath& path, config::Violations& violations);

FilterStateMatcher toFilterStateMatcher(const envoy::type::matcher::v3::FilterStateMatcher& proto, RegexLimit limit,
                                        const config::FieldPath& path, config::Violations& violations);

/** `path` is the list's. */
IpRanges toIpRanges(const google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>& protos,
                    const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::matcher
