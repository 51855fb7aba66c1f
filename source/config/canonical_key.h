#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace sluice::config {

/// 128 bits that stand for a content. Equal keys are to be confirmed by comparing what they were made of.
struct ContentKey {
  uint64_t hi = 0;
  uint64_t lo = 0;

  /// 32 hexadecimal digits.
  std::string hex() const;

  friend bool operator==(const ContentKey& a, const ContentKey& b) { return a.hi == b.hi && a.lo == b.lo; }
  friend bool operator!=(const ContentKey& a, const ContentKey& b) { return !(a == b); }
  friend bool operator<(const ContentKey& a, const ContentKey& b) {
    return std::tie(a.hi, a.lo) < std::tie(b.hi, b.lo);
  }
  template <typename H>
  friend H AbslHashValue(H state, const ContentKey& key) {
    return H::combine(std::move(state), key.hi, key.lo);
  }
};

/// Bytes that are equal for two messages exactly if they mean the same, however they were serialised:
/// - an Any of a known type stands for its message (a TypedStruct for the message it describes), and one of an
///   unknown type, or with bytes that are no such message, for its type and bytes;
/// - maps are in the order of their keys; lists keep theirs;
/// - a scalar without presence that holds its default is the same as one that is not set, while a wrapper, an optional
///   or a oneof's member differs from nothing; -0.0 is 0.0, and all NaNs are one;
/// - unknown fields count, by number, in their order among those of the same number.
/// The bytes are for comparing and hashing only. Pure; any thread.
std::string canonicalBytes(const google::protobuf::Message& message);

/// SHA-256 of `canonical`, cut to 128 bits.
ContentKey contentKey(absl::string_view canonical);

inline ContentKey contentKeyOf(const google::protobuf::Message& message) { return contentKey(canonicalBytes(message)); }

}  // namespace sluice::config
