#include "source/config/value_rules.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wire_format_lite.h"

#include "source/config/formats.h"
#include "source/config/type_registry.h"
#include "source/config/utf8.h"

namespace sluice::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using validate::FieldRules;

absl::Duration toAbsl(const google::protobuf::Duration& value) {
  return absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
}

absl::Time toAbsl(const google::protobuf::Timestamp& value) {
  return absl::FromUnixSeconds(value.seconds()) + absl::Nanoseconds(value.nanos());
}

std::string text(absl::Duration value) { return absl::FormatDuration(value); }
std::string text(absl::Time value) { return absl::FormatTime(absl::RFC3339_full, value, absl::UTCTimeZone()); }
std::string text(absl::string_view value) { return absl::StrCat("\"", absl::Utf8SafeCEscape(value), "\""); }
template <typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>>
std::string text(T value) {
  return absl::StrCat(value);
}

template <typename List, typename T, typename Convert>
bool contains(const List& list, const T& value, Convert convert) {
  return std::any_of(list.begin(), list.end(), [&](const auto& element) { return convert(element) == value; });
}

template <typename List, typename Convert>
std::string listed(const List& list, Convert convert) {
  return absl::StrJoin(list, ", ", [&](std::string* out, const auto& element) { out->append(text(convert(element))); });
}

/** It must not be empty by its rules, which are older than trust_bundles, its alternative: Envoy does not hold it to them. */
constexpr absl::string_view kNotHeldTo =
    "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.trust_domains";

// Where the upper bound is below the lower one, the value must lie outside of the two.
template <typename Rules, typename T, typename Convert>
std::string checkBounds(const Rules& rules, const T& value, Convert convert) {
  const bool has_lower = rules.has_gt() || rules.has_gte();
  const bool has_upper = rules.has_lt() || rules.has_lte();
  if (!has_lower && !has_upper) {
    return "";
  }
  const T lower = rules.has_gt() ? convert(rules.gt()) : convert(rules.gte());
  const T upper = rules.has_lt() ? convert(rules.lt()) : convert(rules.lte());
  const bool above = !has_lower || (rules.has_gt() ? value > lower : value >= lower);
  const bool below = !has_upper || (rules.has_lt() ? value < upper : value <= upper);
  const bool outside = has_lower && has_upper && upper < lower;
  if (outside ? above || below : above && below) {
    return "";
  }
  std::string wanted;
  if (has_lower) {
    absl::StrAppend(&wanted, rules.has_gt() ? "greater than " : "at least ", text(lower));
  }
  if (has_upper) {
    absl::StrAppend(&wanted,
                    !has_lower ? ""
                    : outside  ? " or "
                               : " and ",
                    rules.has_lt() ? "less than " : "at most ", text(upper));
  }
  return absl::StrCat("must be ", wanted, ", is ", text(value));
}

// The rules that all types of numbers and times have.
template <typename Rules, typename T, typename Convert>
std::string checkOrdered(const Rules& rules, const T& value, Convert convert) {
  if (rules.has_const_() && !(value == convert(rules.const_()))) {
    return absl::StrCat("must be ", text(convert(rules.const_())), ", is ", text(value));
  }
  if (!rules.in().empty() && !contains(rules.in(), value, convert)) {
    return absl::StrCat("must be one of ", listed(rules.in(), convert), ", is ", text(value));
  }
  if (contains(rules.not_in(), value, convert)) {
    return absl::StrCat("must not be ", text(value));
  }
  return checkBounds(rules, value, convert);
}

template <typename Rules, typename T>
std::string checkNumberRules(const Rules& rules, T value) {
  return rules.ignore_empty() && value == 0 ? "" : checkOrdered(rules, value, [](T bound) { return bound; });
}

std::string countOf(uint64_t count, absl::string_view unit) {
  return absl::StrCat(count, " ", count == 1 ? unit : unit == "entry" ? "entries" : absl::StrCat(unit, "s"));
}

// One dimension of a size: exactly, at least, at most.
std::string checkLength(uint64_t length, bool has_exact, uint64_t exact, uint64_t min, bool has_max, uint64_t max,
                        absl::string_view unit) {
  if (has_exact && length != exact) {
    return absl::StrCat("must have ", countOf(exact, unit), ", has ", length);
  }
  if (length < min) {
    return length == 0 && min == 1 ? "must not be empty"
                                   : absl::StrCat("must have at least ", countOf(min, unit), ", has ", length);
  }
  if (has_max && length > max) {
    return absl::StrCat("must have at most ", countOf(max, unit), ", has ", length);
  }
  return "";
}

// The rules that strings and bytes have.
template <typename Rules>
std::string checkContent(const Rules& rules, absl::string_view value) {
  const auto same = [](const std::string& other) -> absl::string_view { return other; };
  if (rules.has_const_() && value != rules.const_()) {
    return absl::StrCat("must be ", text(rules.const_()));
  }
  if (rules.has_prefix() && !absl::StartsWith(value, rules.prefix())) {
    return absl::StrCat("must begin with ", text(rules.prefix()));
  }
  if (rules.has_suffix() && !absl::EndsWith(value, rules.suffix())) {
    return absl::StrCat("must end with ", text(rules.suffix()));
  }
  if (rules.has_contains() && !absl::StrContains(value, rules.contains())) {
    return absl::StrCat("must contain ", text(rules.contains()));
  }
  if (!rules.in().empty() && !contains(rules.in(), value, same)) {
    return absl::StrCat("must be one of ", listed(rules.in(), same), ", is ", text(value));
  }
  if (contains(rules.not_in(), value, same)) {
    return absl::StrCat("must not be ", text(value));
  }
  return "";
}

std::string checkFormat(const validate::StringRules& rules, absl::string_view value) {
  using validate::StringRules;
  const auto verdict = [value](bool good, absl::string_view what) {
    return good ? "" : absl::StrCat("must be ", what, ", is ", text(value));
  };
  switch (rules.well_known_case()) {
    case StringRules::kEmail:
      return verdict(!rules.email() || isEmail(value), "an e-mail address");
    case StringRules::kHostname:
      return verdict(!rules.hostname() || isHostname(value), "a host name");
    case StringRules::kIp:
      return verdict(!rules.ip() || isIpv4(value) || isIpv6(value), "an IP address");
    case StringRules::kIpv4:
      return verdict(!rules.ipv4() || isIpv4(value), "an IPv4 address");
    case StringRules::kIpv6:
      return verdict(!rules.ipv6() || isIpv6(value), "an IPv6 address");
    case StringRules::kUri:
      return verdict(!rules.uri() || isUri(value), "a URI with a scheme");
    case StringRules::kUriRef:
      return verdict(!rules.uri_ref() || isUriReference(value), "a URI or a relative reference");
    case StringRules::kAddress:
      return verdict(!rules.address() || isHostname(value) || isIpv4(value) || isIpv6(value),
                     "a host name or an IP address");
    case StringRules::kUuid:
      return verdict(!rules.uuid() || isUuid(value), "a UUID");
    case StringRules::kWellKnownRegex:
      switch (rules.well_known_regex()) {
        case validate::HTTP_HEADER_NAME:
          return verdict(isHttpHeaderName(value, rules.strict()), "an HTTP header's name");
        case validate::HTTP_HEADER_VALUE:
          return verdict(isHttpHeaderValue(value, rules.strict()), "an HTTP header's value");
        default:
          return "";
      }
    case StringRules::WELL_KNOWN_NOT_SET:
      return "";
  }
  return "";
}

std::string checkTimestamp(const validate::TimestampRules& rules, const google::protobuf::Timestamp& timestamp) {
  const absl::Time value = toAbsl(timestamp);
  std::string reason = checkBounds(rules, value, [](const auto& bound) { return toAbsl(bound); });
  if (!reason.empty()) {
    return reason;
  }
  if (rules.has_const_() && value != toAbsl(rules.const_())) {
    return absl::StrCat("must be ", text(toAbsl(rules.const_())), ", is ", text(value));
  }
  if (!rules.lt_now() && !rules.gt_now() && !rules.has_within()) {
    return "";
  }
  const absl::Time now = absl::Now();
  if (rules.lt_now() && value >= now) {
    return "must be in the past";
  }
  if (rules.gt_now() && value <= now) {
    return "must be in the future";
  }
  if (rules.has_within() && absl::AbsDuration(value - now) > toAbsl(rules.within())) {
    return absl::StrCat("must be within ", text(toAbsl(rules.within())), " of now");
  }
  return "";
}

template <typename Generated>
Generated parsed(absl::string_view bytes) {
  Generated out;
  out.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return out;
}

std::unique_ptr<const re2::RE2> compile(const std::string& pattern, bool bytes) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(bytes ? re2::RE2::Options::EncodingLatin1 : re2::RE2::Options::EncodingUTF8);
  return std::make_unique<const re2::RE2>(pattern, options);
}

bool matches(const re2::RE2* pattern, absl::string_view value) {
  return pattern == nullptr || re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *pattern);
}

template <typename Real, typename Bits>
Real real(uint64_t number) {
  const auto bits = static_cast<Bits>(number);
  Real value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace

std::unique_ptr<const ValueRules> ValueRules::ofField(const FieldDescriptor& field) {
  if (!field.options().HasExtension(validate::rules) || field.full_name() == kNotHeldTo) {
    return nullptr;
  }
  return std::unique_ptr<const ValueRules>(new ValueRules(field.options().GetExtension(validate::rules)));
}

ValueRules::ValueRules(const FieldRules& rules) : rules_(rules) {
  const auto nested = [](const FieldRules& inner) { return std::unique_ptr<const ValueRules>(new ValueRules(inner)); };
  if (rules.has_string() && rules.string().has_pattern()) {
    pattern_ = compile(rules.string().pattern(), false);
  } else if (rules.has_bytes() && rules.bytes().has_pattern()) {
    pattern_ = compile(rules.bytes().pattern(), true);
  }
  if (rules.has_repeated() && rules.repeated().has_items()) {
    items_ = nested(rules.repeated().items());
  } else if (rules.has_map()) {
    items_ = rules.map().has_values() ? nested(rules.map().values()) : nullptr;
    keys_ = rules.map().has_keys() ? nested(rules.map().keys()) : nullptr;
  }
}

bool ValueRules::required() const {
  return rules_.message().required() || rules_.any().required() || rules_.duration().required() ||
         rules_.timestamp().required();
}

bool ValueRules::ignoresEmpty() const {
  return rules_.repeated().ignore_empty() || rules_.map().ignore_empty() || rules_.string().ignore_empty() ||
         rules_.bytes().ignore_empty();
}

std::string ValueRules::check(const FieldDescriptor& field, const WireValue& value) const {
  switch (field.type()) {
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_SFIXED32:
      return checkNumber(static_cast<int32_t>(value.number));
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_SFIXED64:
      return checkNumber(static_cast<int64_t>(value.number));
    case FieldDescriptor::TYPE_SINT32:
      return checkNumber(WireFormatLite::ZigZagDecode32(static_cast<uint32_t>(value.number)));
    case FieldDescriptor::TYPE_SINT64:
      return checkNumber(WireFormatLite::ZigZagDecode64(value.number));
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_FIXED32:
      return checkNumber(static_cast<uint32_t>(value.number));
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_FIXED64:
      return checkNumber(value.number);
    case FieldDescriptor::TYPE_FLOAT:
      return checkNumber(real<float, uint32_t>(value.number));
    case FieldDescriptor::TYPE_DOUBLE:
      return checkNumber(real<double, uint64_t>(value.number));
    case FieldDescriptor::TYPE_BOOL:
      if (rules_.bool_().has_const_() && (value.number != 0) != rules_.bool_().const_()) {
        return absl::StrCat("must be ", rules_.bool_().const_() ? "true" : "false");
      }
      return "";
    case FieldDescriptor::TYPE_ENUM:
      return checkEnum(static_cast<int>(value.number), *field.enum_type());
    case FieldDescriptor::TYPE_STRING:
      return checkString(value.bytes);
    case FieldDescriptor::TYPE_BYTES:
      return checkBytes(value.bytes);
    case FieldDescriptor::TYPE_MESSAGE:
    case FieldDescriptor::TYPE_GROUP:
      return checkMessage(*field.message_type(), value.bytes);
  }
  return "";
}

std::string ValueRules::checkSize(int size) const {
  if (ignoresEmpty() && size == 0) {
    return "";
  }
  if (rules_.has_repeated()) {
    const auto& rules = rules_.repeated();
    return checkLength(size, false, 0, rules.min_items(), rules.has_max_items(), rules.max_items(), "item");
  }
  if (rules_.has_map()) {
    // no_sparse forbids values that are null, which no map of C++ can hold.
    const auto& rules = rules_.map();
    return checkLength(size, false, 0, rules.min_pairs(), rules.has_max_pairs(), rules.max_pairs(), "entry");
  }
  return "";
}

std::string ValueRules::checkUnique(const FieldDescriptor& field, absl::string_view whole) const {
  if (!rules_.repeated().unique()) {
    return "";
  }
  absl::flat_hash_set<std::pair<uint64_t, absl::string_view>> seen;
  int item = 0;
  int repeated = -1;
  forEachValue(field, whole, [&](const WireValue& value) {
    if (!seen.emplace(value.number, value.bytes).second && repeated < 0) {
      repeated = item;
    }
    ++item;
  });
  return repeated < 0 ? "" : absl::StrCat("must not hold an item twice; item ", repeated, " repeats an earlier one");
}

template <typename T>
std::string ValueRules::checkNumber(T value) const {
  switch (rules_.type_case()) {
    case FieldRules::kFloat:
      return checkNumberRules<validate::FloatRules, float>(rules_.float_(), value);
    case FieldRules::kDouble:
      return checkNumberRules<validate::DoubleRules, double>(rules_.double_(), value);
    case FieldRules::kInt32:
      return checkNumberRules<validate::Int32Rules, int32_t>(rules_.int32(), value);
    case FieldRules::kInt64:
      return checkNumberRules<validate::Int64Rules, int64_t>(rules_.int64(), value);
    case FieldRules::kUint32:
      return checkNumberRules<validate::UInt32Rules, uint32_t>(rules_.uint32(), value);
    case FieldRules::kUint64:
      return checkNumberRules<validate::UInt64Rules, uint64_t>(rules_.uint64(), value);
    case FieldRules::kSint32:
      return checkNumberRules<validate::SInt32Rules, int32_t>(rules_.sint32(), value);
    case FieldRules::kSint64:
      return checkNumberRules<validate::SInt64Rules, int64_t>(rules_.sint64(), value);
    case FieldRules::kFixed32:
      return checkNumberRules<validate::Fixed32Rules, uint32_t>(rules_.fixed32(), value);
    case FieldRules::kFixed64:
      return checkNumberRules<validate::Fixed64Rules, uint64_t>(rules_.fixed64(), value);
    case FieldRules::kSfixed32:
      return checkNumberRules<validate::SFixed32Rules, int32_t>(rules_.sfixed32(), value);
    case FieldRules::kSfixed64:
      return checkNumberRules<validate::SFixed64Rules, int64_t>(rules_.sfixed64(), value);
    default:
      return "";
  }
}

std::string ValueRules::checkString(absl::string_view value) const {
  const validate::StringRules& rules = rules_.string();
  if (!rules_.has_string() || (rules.ignore_empty() && value.empty())) {
    return "";
  }
  const bool counts_characters = rules.has_len() || rules.has_min_len() || rules.has_max_len();
  if (counts_characters) {
    std::string reason = checkLength(countCodePoints(value), rules.has_len(), rules.len(), rules.min_len(),
                                     rules.has_max_len(), rules.max_len(), "character");
    if (!reason.empty()) {
      return reason;
    }
  }
  std::string reason = checkLength(value.size(), rules.has_len_bytes(), rules.len_bytes(), rules.min_bytes(),
                                   rules.has_max_bytes(), rules.max_bytes(), "byte");
  if (reason.empty()) {
    reason = checkContent(rules, value);
  }
  if (reason.empty() && rules.has_not_contains() && absl::StrContains(value, rules.not_contains())) {
    reason = absl::StrCat("must not contain ", text(rules.not_contains()));
  }
  if (reason.empty() && !matches(pattern_.get(), value)) {
    reason = absl::StrCat("must match ", rules.pattern(), ", is ", text(value));
  }
  return reason.empty() ? checkFormat(rules, value) : reason;
}

std::string ValueRules::checkBytes(absl::string_view value) const {
  const validate::BytesRules& rules = rules_.bytes();
  if (!rules_.has_bytes() || (rules.ignore_empty() && value.empty())) {
    return "";
  }
  std::string reason = checkLength(value.size(), rules.has_len(), rules.len(), rules.min_len(), rules.has_max_len(),
                                   rules.max_len(), "byte");
  if (reason.empty()) {
    reason = checkContent(rules, value);
  }
  if (reason.empty() && !matches(pattern_.get(), value)) {
    reason = absl::StrCat("must match ", rules.pattern());
  }
  if (reason.empty() && ((rules.ip() && value.size() != 4 && value.size() != 16) ||
                         (rules.ipv4() && value.size() != 4) || (rules.ipv6() && value.size() != 16))) {
    reason = absl::StrCat("must be the bytes of an IP", rules.ipv4() ? "v4" : rules.ipv6() ? "v6" : "", " address");
  }
  return reason;
}

std::string ValueRules::checkEnum(int value, const google::protobuf::EnumDescriptor& type) const {
  const validate::EnumRules& rules = rules_.enum_();
  const auto name = [&type](int number) {
    const auto* known = type.FindValueByNumber(number);
    return known == nullptr ? absl::StrCat(number) : known->name();
  };
  const auto same = [](int number) { return number; };
  if (rules.has_const_() && value != rules.const_()) {
    return absl::StrCat("must be ", name(rules.const_()), ", is ", name(value));
  }
  if (rules.defined_only() && type.FindValueByNumber(value) == nullptr) {
    return absl::StrCat("must be a value of ", type.name(), ", is ", value);
  }
  if (!rules.in().empty() && !contains(rules.in(), value, same)) {
    return absl::StrCat("must be one of ",
                        absl::StrJoin(rules.in(), ", ", [&](std::string* out, int i) { out->append(name(i)); }),
                        ", is ", name(value));
  }
  if (contains(rules.not_in(), value, same)) {
    return absl::StrCat("must not be ", name(value));
  }
  return "";
}

std::string ValueRules::checkMessage(const Descriptor& type, absl::string_view value) const {
  switch (type.well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return rules_.has_duration() ? checkOrdered(rules_.duration(), toAbsl(parsed<google::protobuf::Duration>(value)),
                                                  [](const auto& bound) { return toAbsl(bound); })
                                   : "";
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return rules_.has_timestamp() ? checkTimestamp(rules_.timestamp(), parsed<google::protobuf::Timestamp>(value))
                                    : "";
    case Descriptor::WELLKNOWNTYPE_ANY: {
      if (!rules_.has_any()) {
        return "";
      }
      const auto& rules = rules_.any();
      const auto same = [](const std::string& url) { return typeName(url); };
      const auto any = parsed<google::protobuf::Any>(value);
      const absl::string_view name = typeName(any.type_url());
      if ((!rules.in().empty() && !contains(rules.in(), name, same)) || contains(rules.not_in(), name, same)) {
        return absl::StrCat("must not hold a ", name);
      }
      return "";
    }
    case Descriptor::WELLKNOWNTYPE_DOUBLEVALUE:
    case Descriptor::WELLKNOWNTYPE_FLOATVALUE:
    case Descriptor::WELLKNOWNTYPE_INT64VALUE:
    case Descriptor::WELLKNOWNTYPE_UINT64VALUE:
    case Descriptor::WELLKNOWNTYPE_INT32VALUE:
    case Descriptor::WELLKNOWNTYPE_UINT32VALUE:
    case Descriptor::WELLKNOWNTYPE_STRINGVALUE:
    case Descriptor::WELLKNOWNTYPE_BYTESVALUE:
    case Descriptor::WELLKNOWNTYPE_BOOLVALUE: {
      WireRun wrapped;  // nothing, if it is the default
      WireReader(value).nextRun(wrapped);
      return check(*type.field(0), wrapped.number == type.field(0)->number() ? wrapped.value : WireValue());
    }
    default:
      return "";
  }
}

}  // namespace sluice::config
