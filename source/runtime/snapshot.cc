#include "source/runtime/snapshot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "envoy/type/v3/percent.pb.h"

#include "source/config/loader.h"

namespace sluice::runtime {
namespace {

using envoy::config::bootstrap::v3::RuntimeLayer;
using google::protobuf::Struct;

bool isFraction(const Struct& value) {
  return value.fields().contains("numerator") || value.fields().contains("denominator");
}

uint32_t denominatorOf(const envoy::type::v3::FractionalPercent& percent) {
  switch (percent.denominator()) {
    case envoy::type::v3::FractionalPercent::TEN_THOUSAND:
      return 10'000;
    case envoy::type::v3::FractionalPercent::MILLION:
      return 1'000'000;
    default:
      return 100;
  }
}

std::string numberText(double number) {
  if (number == std::floor(number) && std::abs(number) < 1e15) {
    return absl::StrCat(static_cast<int64_t>(number));
  }
  return absl::StrCat(number);
}

}  // namespace

std::shared_ptr<const Snapshot> Snapshot::create(const envoy::config::bootstrap::v3::LayeredRuntime& runtime,
                                                 const config::FieldPath& path, config::Violations& violations) {
  auto snapshot = std::make_shared<Snapshot>();
  std::set<std::string> names;
  for (int i = 0; i < runtime.layers_size(); ++i) {
    const RuntimeLayer& layer = runtime.layers(i);
    const config::FieldPath layer_path = path.field("layers").index(i);
    if (!names.insert(layer.name()).second) {
      violations.add(layer_path.field("name"), absl::StrCat("another layer is called '", layer.name(), "', too"));
    }
    snapshot->layers_.push_back(layer.name());
    switch (layer.layer_specifier_case()) {
      case RuntimeLayer::kStaticLayer:
        snapshot->addStruct(layer.static_layer(), "", i, layer_path.field("static_layer"), violations);
        break;
      case RuntimeLayer::kAdminLayer:
        break;
      case RuntimeLayer::kDiskLayer:
        violations.add(layer_path.field("disk_layer"), "is not supported by Sluice");
        break;
      case RuntimeLayer::kRtdsLayer:
        violations.add(layer_path.field("rtds_layer"), "is not supported by Sluice");
        break;
      case RuntimeLayer::LAYER_SPECIFIER_NOT_SET:
        violations.add(layer_path, "holds no layer");
        break;
    }
  }
  for (auto& [key, value] : snapshot->values_) {
    value.layer_values.resize(snapshot->layers_.size());
  }
  return snapshot;
}

void Snapshot::addStruct(const Struct& value, const std::string& prefix, size_t layer, const config::FieldPath& path,
                         config::Violations& violations) {
  // In the order of names, so that of two ways to write one key (`a.b` and `b` in `a`) it is always the same that counts.
  const std::set<std::string> names = [&value] {
    std::set<std::string> all;
    for (const auto& [name, field] : value.fields()) {
      all.insert(name);
    }
    return all;
  }();
  for (const std::string& name : names) {
    const std::string key = prefix.empty() ? name : absl::StrCat(prefix, ".", name);
    addValue(value.fields().at(name), key, layer, path.field(name), violations);
  }
}

void Snapshot::addValue(const google::protobuf::Value& value, const std::string& key, size_t layer,
                        const config::FieldPath& path, config::Violations& violations) {
  Value parsed;
  switch (value.kind_case()) {
    case google::protobuf::Value::kStructValue: {
      if (!isFraction(value.struct_value())) {
        addStruct(value.struct_value(), key, layer, path, violations);
        return;
      }
      envoy::type::v3::FractionalPercent percent;
      if (!config::structToMessage(value.struct_value(), percent, path, violations)) {
        return;
      }
      parsed.fraction = Fraction{percent.numerator(), denominatorOf(percent)};
      parsed.text = absl::StrCat(percent.numerator(), "/", denominatorOf(percent));
      break;
    }
    case google::protobuf::Value::kNumberValue:
      parsed.number = value.number_value();
      parsed.text = numberText(value.number_value());
      break;
    case google::protobuf::Value::kBoolValue:
      parsed.boolean = value.bool_value();
      parsed.text = value.bool_value() ? "true" : "false";
      break;
    case google::protobuf::Value::kStringValue: {
      parsed.text = value.string_value();
      double number = 0;
      if (absl::SimpleAtod(parsed.text, &number) && std::isfinite(number)) {
        parsed.number = number;
      } else if (parsed.text == "true" || parsed.text == "false") {
        parsed.boolean = parsed.text == "true";
      }
      break;
    }
    default:
      violations.add(path, "must be a number, a boolean, a string, or a mapping of such");
      return;
  }
  Value& entry = values_[key];
  parsed.layer_values = std::move(entry.layer_values);
  parsed.layer_values.resize(layer + 1);
  parsed.layer_values[layer] = parsed.text;
  entry = std::move(parsed);
}

const Snapshot::Value* Snapshot::find(absl::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

uint64_t Snapshot::getInteger(absl::string_view key, uint64_t fallback) const {
  const Value* value = find(key);
  if (value == nullptr || !value->number.has_value() || *value->number < 0) {
    return fallback;
  }
  // 2^64, the first double that no integer can hold.
  constexpr double kTooBig = 18446744073709551616.0;
  return *value->number >= kTooBig ? std::numeric_limits<uint64_t>::max() : static_cast<uint64_t>(*value->number);
}

double Snapshot::getDouble(absl::string_view key, double fallback) const {
  const Value* value = find(key);
  return value != nullptr && value->number.has_value() ? *value->number : fallback;
}

bool Snapshot::getBool(absl::string_view key, bool fallback) const {
  const Value* value = find(key);
  return value != nullptr && value->boolean.has_value() ? *value->boolean : fallback;
}

Fraction Snapshot::getFraction(absl::string_view key, Fraction fallback) const {
  const Value* value = find(key);
  if (value == nullptr) {
    return fallback;
  }
  if (value->fraction.has_value()) {
    return *value->fraction;
  }
  if (value->number.has_value() && *value->number >= 0) {
    return Fraction{static_cast<uint32_t>(std::min(*value->number, 100.0)), 100};
  }
  return fallback;
}

std::vector<std::pair<std::string, Snapshot::Entry>> Snapshot::entries() const {
  std::vector<std::pair<std::string, Entry>> out;
  out.reserve(values_.size());
  for (const auto& [key, value] : values_) {
    out.push_back({key, {value.layer_values, value.text}});
  }
  return out;
}

}  // namespace sluice::runtime
