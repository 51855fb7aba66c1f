#pragma once

#include <array>
#include <compare>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace sluice::config {

/// Stands for a content: its SHA-256. Nobody can make two contents that have one, so that equal keys are equal contents,
/// and what a key was made of need not be kept to compare.
struct ContentKey {
  std::array<unsigned char, 32> digest{};

  /// 64 hexadecimal digits.
  std::string hex() const;

  friend auto operator<=>(const ContentKey&, const ContentKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ContentKey& key) {
    return H::combine(std::move(state), key.digest);
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

ContentKey contentKey(absl::string_view canonical);

inline ContentKey contentKeyOf(const google::protobuf::Message& message) { return contentKey(canonicalBytes(message)); }

}  // namespace sluice::config
