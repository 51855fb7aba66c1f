#include "source/config/scalars.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/timestamp.pb.h"

#include "source/config/names.h"

namespace sluice::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string expected(absl::string_view what, const Node& node) {
  return absl::StrCat("expected ", what, ", got ", node.describe());
}

bool isScalar(const Node& node) { return node.kind == Node::Kind::Plain || node.kind == Node::Kind::String; }

bool isOneOf(absl::string_view word, absl::string_view a, absl::string_view b, absl::string_view c,
             absl::string_view d) {
  // As in YAML 1.1: yes, Yes and YES, but not yEs.
  const std::string lower = absl::AsciiStrToLower(word);
  if (lower != a && lower != b && lower != c && lower != d) {
    return false;
  }
  std::string capital = lower;
  capital[0] = absl::ascii_toupper(capital[0]);
  return word == lower || word == capital || word == absl::AsciiStrToUpper(word);
}

bool parseBool(const Node& node, bool& out) {
  if (node.kind != Node::Kind::Plain || node.text.empty()) {
    return false;
  }
  if (isOneOf(node.text, "true", "yes", "on", "y")) {
    out = true;
    return true;
  }
  out = false;
  return isOneOf(node.text, "false", "no", "off", "n");
}

bool isDecimal(absl::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    text.remove_prefix(1);
  }
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
}

// 0x1F, 0o17 and 017, which YAML knows.
bool parseOtherBase(absl::string_view text, uint64_t& out) {
  unsigned base = 8;
  if (absl::StartsWith(text, "0x")) {
    base = 16;
    text.remove_prefix(2);
  } else if (absl::StartsWith(text, "0o")) {
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.front() == '0') {
    text.remove_prefix(1);
  } else {
    return false;
  }
  if (text.empty()) {
    return false;
  }
  out = 0;
  for (const char c : text) {
    const unsigned digit = absl::ascii_isdigit(c)    ? c - '0'
                           : absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10
                                                     : base;
    if (digit >= base || out > (std::numeric_limits<uint64_t>::max() - digit) / base) {
      return false;
    }
    out = out * base + digit;
  }
  return true;
}

bool parseDouble(const Node& node, double& out) {
  if (!isScalar(node) || node.text.empty()) {
    return false;
  }
  const absl::string_view text = node.text;
  const bool plain = node.kind == Node::Kind::Plain;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "NaN" || (plain && (text == ".nan" || text == ".NaN" || text == ".NAN"))) {
    out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (text == "Infinity" || (plain && (text == ".inf" || text == ".Inf" || text == ".INF" || text == "+.inf"))) {
    out = kInfinity;
    return true;
  }
  if (text == "-Infinity" || (plain && (text == "-.inf" || text == "-.Inf" || text == "-.INF"))) {
    out = -kInfinity;
    return true;
  }
  uint64_t whole = 0;
  if (plain && parseOtherBase(text, whole)) {
    out = static_cast<double>(whole);
    return true;
  }
  return text.find_first_not_of("0123456789+-.eE") == absl::string_view::npos && absl::SimpleAtod(text, &out) &&
         std::isfinite(out);
}

enum class Parsed { Ok, NotANumber, OutOfRange };

template <typename T>
Parsed parseInteger(const Node& node, T& out) {
  if (!isScalar(node)) {
    return Parsed::NotANumber;
  }
  const absl::string_view text = node.text;
  uint64_t other = 0;
  if (node.kind == Node::Kind::Plain && parseOtherBase(text, other)) {
    out = static_cast<T>(other);
    return other <= static_cast<uint64_t>(std::numeric_limits<T>::max()) ? Parsed::Ok : Parsed::OutOfRange;
  }
  if (isDecimal(text)) {
    return absl::SimpleAtoi(text, &out) ? Parsed::Ok : Parsed::OutOfRange;
  }
  // 1e3 and 1.0 are integers, too.
  double number = 0;
  if (!parseDouble(node, number) || number != std::floor(number) || !std::isfinite(number)) {
    return Parsed::NotANumber;
  }
  // 2^63 and 2^64 are doubles, the greatest integers below them are not.
  if (number < static_cast<double>(std::numeric_limits<T>::min()) ||
      number >= std::ldexp(1.0, std::numeric_limits<T>::digits)) {
    return Parsed::OutOfRange;
  }
  out = static_cast<T>(number);
  return Parsed::Ok;
}

template <typename T>
std::string readInteger(const Node& node, T& out) {
  switch (parseInteger(node, out)) {
    case Parsed::Ok:
      return "";
    case Parsed::NotANumber:
      return expected("an integer", node);
    case Parsed::OutOfRange:
      return absl::StrCat(node.text, " is out of range (from ", std::numeric_limits<T>::min(), " to ",
                          std::numeric_limits<T>::max(), ")");
  }
  return "";
}

std::string readDouble(const Node& node, double& out) {
  return parseDouble(node, out) ? "" : expected("a number", node);
}

std::string readFloat(const Node& node, float& out) {
  double number = 0;
  const std::string error = readDouble(node, number);
  if (error.empty() && std::isfinite(number) && std::abs(number) > std::numeric_limits<float>::max()) {
    return absl::StrCat(node.text, " is out of range");
  }
  out = static_cast<float>(number);
  return error;
}

std::string readString(const Node& node, std::string& out) {
  if (!isScalar(node)) {
    return expected("a string", node);
  }
  // An unquoted word that YAML or JSON take for another type is no string, as for Envoy.
  double number = 0;
  if (node.kind == Node::Kind::Plain && (node.text == "true" || node.text == "false" || parseDouble(node, number))) {
    return absl::StrCat(expected("a string", node), " (put it in quotes)");
  }
  out = std::string(node.text);
  return "";
}

std::string readBytes(const Node& node, std::string& out) {
  if (!isScalar(node)) {
    return expected("bytes in base64", node);
  }
  if (absl::Base64Unescape(node.text, &out) || absl::WebSafeBase64Unescape(node.text, &out)) {
    return "";
  }
  return expected("bytes in base64", node);
}

std::string readEnum(const Node& node, const google::protobuf::EnumDescriptor& type, int& out) {
  if (type.full_name() == "google.protobuf.NullValue" && node.kind == Node::Kind::Null) {
    out = 0;
    return "";
  }
  if (!isScalar(node)) {
    return expected(absl::StrCat("the name of a value of ", type.name()), node);
  }
  const std::string name(node.text);
  if (const auto* value = type.FindValueByName(name)) {
    out = value->number();
    return "";
  }
  int32_t number = 0;
  if (node.kind == Node::Kind::Plain && parseInteger(node, number) == Parsed::Ok) {
    out = number;
    return "";
  }
  return absl::StrCat("'", name, "' is no value of ", type.name(), suggestValue(type, name));
}

template <typename T, typename Read, typename Store>
std::string readAndStore(Read read, Store store) {
  T value{};
  std::string error = read(value);
  if (error.empty()) {
    store(std::move(value));
  }
  return error;
}

// The nanoseconds of the digits behind a decimal point.
bool parseFraction(absl::string_view digits, int32_t& nanos) {
  if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != absl::string_view::npos) {
    return false;
  }
  nanos = 0;
  for (size_t i = 0; i < 9; ++i) {
    nanos = nanos * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return true;
}

}  // namespace

std::string readScalar(const Node& node, const FieldDescriptor& field, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return readAndStore<int32_t>([&](auto& out) { return readInteger(node, out); },
                                   [&](auto value) {
                                     list ? reflection.AddInt32(&message, &field, value)
                                          : reflection.SetInt32(&message, &field, value);
                                   });
    case FieldDescriptor::CPPTYPE_INT64:
      return readAndStore<int64_t>([&](auto& out) { return readInteger(node, out); },
                                   [&](auto value) {
                                     list ? reflection.AddInt64(&message, &field, value)
                                          : reflection.SetInt64(&message, &field, value);
                                   });
    case FieldDescriptor::CPPTYPE_UINT32:
      return readAndStore<uint32_t>([&](auto& out) { return readInteger(node, out); },
                                    [&](auto value) {
                                      list ? reflection.AddUInt32(&message, &field, value)
                                           : reflection.SetUInt32(&message, &field, value);
                                    });
    case FieldDescriptor::CPPTYPE_UINT64:
      return readAndStore<uint64_t>([&](auto& out) { return readInteger(node, out); },
                                    [&](auto value) {
                                      list ? reflection.AddUInt64(&message, &field, value)
                                           : reflection.SetUInt64(&message, &field, value);
                                    });
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return readAndStore<double>([&](auto& out) { return readDouble(node, out); },
                                  [&](auto value) {
                                    list ? reflection.AddDouble(&message, &field, value)
                                         : reflection.SetDouble(&message, &field, value);
                                  });
    case FieldDescriptor::CPPTYPE_FLOAT:
      return readAndStore<float>([&](auto& out) { return readFloat(node, out); },
                                 [&](auto value) {
                                   list ? reflection.AddFloat(&message, &field, value)
                                        : reflection.SetFloat(&message, &field, value);
                                 });
    case FieldDescriptor::CPPTYPE_BOOL:
      return readAndStore<bool>([&](auto& out) { return parseBool(node, out) ? "" : expected("true or false", node); },
                                [&](auto value) {
                                  list ? reflection.AddBool(&message, &field, value)
                                       : reflection.SetBool(&message, &field, value);
                                });
    case FieldDescriptor::CPPTYPE_ENUM:
      return readAndStore<int>([&](auto& out) { return readEnum(node, *field.enum_type(), out); },
                               [&](auto value) {
                                 list ? reflection.AddEnumValue(&message, &field, value)
                                      : reflection.SetEnumValue(&message, &field, value);
                               });
    case FieldDescriptor::CPPTYPE_STRING:
      return readAndStore<std::string>(
          [&](auto& out) {
            return field.type() == FieldDescriptor::TYPE_BYTES ? readBytes(node, out) : readString(node, out);
          },
          [&](auto value) {
            list ? reflection.AddString(&message, &field, std::move(value))
                 : reflection.SetString(&message, &field, std::move(value));
          });
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "a message is no scalar";
}

std::string readDuration(const Node& node, Message& out) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  constexpr absl::string_view kWanted = "a duration such as \"1.5s\"";
  absl::string_view text = node.text;
  if (!isScalar(node) || text.size() < 2 || text.back() != 's') {
    return expected(kWanted, node);
  }
  text.remove_suffix(1);
  const bool negative = absl::ConsumePrefix(&text, "-");
  const size_t point = text.find('.');
  int64_t seconds = 0;
  int32_t nanos = 0;
  const absl::string_view whole = text.substr(0, point);
  if (whole.empty() || !absl::ascii_isdigit(whole.front()) || !isDecimal(whole) ||
      (point != absl::string_view::npos && !parseFraction(text.substr(point + 1), nanos))) {
    return expected(kWanted, node);
  }
  if (!absl::SimpleAtoi(whole, &seconds) || seconds > kMaxSeconds || (seconds == kMaxSeconds && nanos > 0)) {
    return absl::StrCat(node.text, " is out of range (at most ", kMaxSeconds, "s)");
  }
  google::protobuf::Duration duration;
  duration.set_seconds(negative ? -seconds : seconds);
  duration.set_nanos(negative ? -nanos : nanos);
  assign(duration, out);
  return "";
}

std::string readTimestamp(const Node& node, Message& out) {
  constexpr int64_t kYear1 = -62'135'596'800;
  constexpr int64_t kYear10000 = 253'402'300'800;
  absl::Time time;
  std::string error;
  // absl takes a space for the T, and blanks around it.
  if (!isScalar(node) || node.text.find(' ') != absl::string_view::npos ||
      !absl::ParseTime(absl::RFC3339_full, node.text, &time, &error) || time == absl::InfiniteFuture() ||
      time == absl::InfinitePast()) {
    return expected("a time such as \"2024-01-31T12:00:00Z\"", node);
  }
  const int64_t seconds = absl::ToUnixSeconds(time);
  if (seconds < kYear1 || seconds >= kYear10000) {
    return absl::StrCat(node.text, " is out of range");
  }
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  assign(timestamp, out);
  return "";
}

std::string readFieldMask(const Node& node, Message& out) {
  if (!isScalar(node)) {
    return expected("field names, separated by commas", node);
  }
  google::protobuf::FieldMask mask;
  for (const absl::string_view path : absl::StrSplit(node.text, ',', absl::SkipEmpty())) {
    std::string& snake = *mask.add_paths();
    for (const char c : path) {
      if (absl::ascii_isupper(c)) {
        snake.push_back('_');
      }
      snake.push_back(absl::ascii_tolower(c));
    }
  }
  assign(mask, out);
  return "";
}

void readAnyScalar(const Node& node, google::protobuf::Value& out) {
  bool boolean = false;
  double number = 0;
  if (node.kind == Node::Kind::Null) {
    out.set_null_value(google::protobuf::NULL_VALUE);
  } else if (node.kind == Node::Kind::String) {
    out.set_string_value(std::string(node.text));
  } else if (parseBool(node, boolean)) {
    out.set_bool_value(boolean);
  } else if (node.text != "NaN" && node.text != "Infinity" && node.text != "-Infinity" && parseDouble(node, number)) {
    out.set_number_value(number);
  } else {
    out.set_string_value(std::string(node.text));
  }
}

void assign(const Message& from, Message& to) {
  if (from.GetDescriptor() == to.GetDescriptor()) {
    to.CopyFrom(from);
  } else {
    to.ParseFromString(from.SerializeAsString());
  }
}

}  // namespace sluice::config
