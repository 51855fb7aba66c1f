#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "google/protobuf/struct.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::runtime {

/// A share of things: `numerator` out of `denominator` (100, 10,000 or 1,000,000).
struct Fraction {
  uint32_t numerator = 0;
  uint32_t denominator = 100;

  /// Whether a thing is in the share, by a random number that was drawn for it.
  bool contains(uint64_t random) const { return random % denominator < numerator; }

  friend bool operator==(const Fraction& a, const Fraction& b) {
    return a.numerator == b.numerator && a.denominator == b.denominator;
  }
};

/// The runtime values of a layered runtime, later layers over earlier ones. Keys are the paths into the layers' Structs,
/// joined by dots: `envoy.resource_limits.listener.ingress.connection_limit`. Immutable, and shared by all threads.
class Snapshot {
 public:
  /// Its value as each layer gives it (empty where one does not), and the one that counts, for the admin pages.
  struct Entry {
    std::vector<std::string> layer_values;
    std::string final_value;
  };

  /// Static layers are read; an admin layer is accepted, and is empty. Mistakes (two layers of one name, a value that is
  /// a list or null, a layer of another kind) are added to `violations`, and what is good is in the result.
  static std::shared_ptr<const Snapshot> create(const envoy::config::bootstrap::v3::LayeredRuntime& runtime,
                                                const config::FieldPath& path, config::Violations& violations);

  /// With no layers at all.
  Snapshot() = default;

  /// Each gives `fallback` where the key is not set, or its value is none of that kind. Numbers and booleans may be
  /// written as strings.
  uint64_t getInteger(absl::string_view key, uint64_t fallback) const;
  double getDouble(absl::string_view key, double fallback) const;
  bool getBool(absl::string_view key, bool fallback) const;
  /// A whole number stands for that many percent.
  Fraction getFraction(absl::string_view key, Fraction fallback) const;

  bool has(absl::string_view key) const { return values_.contains(key); }

  const std::vector<std::string>& layers() const { return layers_; }
  /// All entries, in the order of their keys.
  std::vector<std::pair<std::string, Entry>> entries() const;

 private:
  struct Value {
    std::vector<std::string> layer_values;
    std::string text;
    std::optional<double> number;
    std::optional<bool> boolean;
    std::optional<Fraction> fraction;
  };

  void addStruct(const google::protobuf::Struct& value, const std::string& prefix, size_t layer,
                 const config::FieldPath& path, config::Violations& violations);
  void addValue(const google::protobuf::Value& value, const std::string& key, size_t layer,
                const config::FieldPath& path, config::Violations& violations);
  const Value* find(absl::string_view key) const;

  std::vector<std::string> layers_;
  absl::btree_map<std::string, Value> values_;
};

}  // namespace sluice::runtime
