#include "source/config/canonical_key.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/str_format.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include <openssl/sha.h>

#include "source/config/scalars.h"
#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

/// What follows a field's number.
enum class Kind : uint64_t { Varint, Fixed, Bytes, Message, MapEntry, KnownAny, OtherAny, Unknown };

constexpr uint64_t kEndOfMessage = 0;  // no field has the number 0

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void message(const Message& message) {
    if (message.GetDescriptor()->well_known_type() == Descriptor::WELLKNOWNTYPE_ANY) {
      any(message);
      return;
    }
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);  // in the order of their numbers
    for (const FieldDescriptor* field : fields) {
      if (field->is_map()) {
        map(message, reflection, *field);
      } else if (field->is_repeated()) {
        const int size = reflection.FieldSize(message, field);
        for (int i = 0; i < size; ++i) {
          value(message, reflection, *field, i);
        }
      } else if (field->has_presence() || !isZero(message, reflection, *field)) {
        value(message, reflection, *field, -1);
      }
    }
    unknown(reflection.GetUnknownFields(message));
    varint(kEndOfMessage);
  }

 private:
  void varint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }

  void tag(int number, Kind kind) { varint((static_cast<uint64_t>(number) << 3) | static_cast<uint64_t>(kind)); }

  void bytes(absl::string_view value) {
    varint(value.size());
    out_.append(value.data(), value.size());
  }

  void fixed(uint64_t bits) {
    for (size_t i = 0; i < sizeof(bits); ++i) {
      out_.push_back(static_cast<char>(bits >> (8 * i)));
    }
  }

  void real(double value) {
    if (std::isnan(value)) {
      value = std::numeric_limits<double>::quiet_NaN();
    }
    value += 0.0;  // -0.0 becomes 0.0
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    fixed(bits);
  }

  // What ListFields lists although it equals the default.
  static bool isZero(const Message& message, const Reflection& reflection, const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.GetDouble(message, &field) == 0;
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.GetFloat(message, &field) == 0;
      default:
        return false;
    }
  }

  void value(const Message& message, const Reflection& reflection, const FieldDescriptor& field, int index) {
    const bool single = index < 0;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        integer(field,
                single ? reflection.GetInt32(message, &field) : reflection.GetRepeatedInt32(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        integer(field,
                single ? reflection.GetInt64(message, &field) : reflection.GetRepeatedInt64(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        integer(field,
                single ? reflection.GetUInt32(message, &field) : reflection.GetRepeatedUInt32(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        integer(field,
                single ? reflection.GetUInt64(message, &field) : reflection.GetRepeatedUInt64(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        integer(field,
                single ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        integer(field, single ? reflection.GetEnumValue(message, &field)
                              : reflection.GetRepeatedEnumValue(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        tag(field.number(), Kind::Fixed);
        real(single ? reflection.GetDouble(message, &field) : reflection.GetRepeatedDouble(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        tag(field.number(), Kind::Fixed);
        real(single ? reflection.GetFloat(message, &field) : reflection.GetRepeatedFloat(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        tag(field.number(), Kind::Bytes);
        bytes(single ? reflection.GetStringReference(message, &field, &scratch)
                     : reflection.GetRepeatedStringReference(message, &field, index, &scratch));
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        tag(field.number(), Kind::Message);
        this->message(single ? reflection.GetMessage(message, &field)
                             : reflection.GetRepeatedMessage(message, &field, index));
        break;
    }
  }

  template <typename T>
  void integer(const FieldDescriptor& field, T value) {
    tag(field.number(), Kind::Varint);
    varint(static_cast<uint64_t>(static_cast<int64_t>(value)));
  }

  void map(const Message& message, const Reflection& reflection, const FieldDescriptor& field) {
    std::vector<std::string> entries(reflection.FieldSize(message, &field));
    for (size_t i = 0; i < entries.size(); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, static_cast<int>(i));
      const Descriptor& type = *entry.GetDescriptor();
      // Key and value are written even if they are the default.
      Writer writer(entries[i]);
      writer.value(entry, *entry.GetReflection(), *type.map_key(), -1);
      writer.value(entry, *entry.GetReflection(), *type.map_value(), -1);
    }
    std::sort(entries.begin(), entries.end());
    for (const std::string& entry : entries) {
      tag(field.number(), Kind::MapEntry);
      bytes(entry);
    }
  }

  void any(const Message& message) {
    Any copy;
    if (message.GetDescriptor() != Any::descriptor()) {
      assign(message, copy);
    }
    const Any& any = message.GetDescriptor() == Any::descriptor() ? static_cast<const Any&>(message) : copy;
    Violations violations;  // what is broken is compared byte by byte
    std::unique_ptr<Message> inside;
    if (!any.type_url().empty()) {
      inside = unpackExtension(any, FieldPath(), violations);
      if (inside == nullptr) {
        inside = unpackAny(any, FieldPath(), violations);
      }
    }
    if (inside != nullptr) {
      tag(1, Kind::KnownAny);
      bytes(inside->GetDescriptor()->full_name());
      this->message(*inside);
    } else {
      tag(1, Kind::OtherAny);
      bytes(typeName(any.type_url()));
      bytes(any.value());
    }
    unknown(message.GetReflection()->GetUnknownFields(message));
    varint(kEndOfMessage);
  }

  void unknown(const UnknownFieldSet& fields) {
    if (fields.empty()) {
      return;
    }
    std::vector<const UnknownField*> sorted;
    for (int i = 0; i < fields.field_count(); ++i) {
      sorted.push_back(&fields.field(i));
    }
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const UnknownField* a, const UnknownField* b) { return a->number() < b->number(); });
    for (const UnknownField* field : sorted) {
      tag(field->number(), Kind::Unknown);
      varint(field->type());
      switch (field->type()) {
        case UnknownField::TYPE_VARINT:
          varint(field->varint());
          break;
        case UnknownField::TYPE_FIXED32:
          fixed(field->fixed32());
          break;
        case UnknownField::TYPE_FIXED64:
          fixed(field->fixed64());
          break;
        case UnknownField::TYPE_LENGTH_DELIMITED:
          bytes(field->length_delimited());
          break;
        case UnknownField::TYPE_GROUP:
          unknown(field->group());
          varint(kEndOfMessage);
          break;
      }
    }
  }

  std::string& out_;
};

}  // namespace

std::string ContentKey::hex() const { return absl::StrFormat("%016x%016x", hi, lo); }

std::string canonicalBytes(const Message& message) {
  std::string out;
  Writer(out).message(message);
  return out;
}

ContentKey contentKey(absl::string_view canonical) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(canonical.data()), canonical.size(), digest);
  ContentKey key;
  for (int i = 0; i < 8; ++i) {
    key.hi = (key.hi << 8) | digest[i];
    key.lo = (key.lo << 8) | digest[8 + i];
  }
  return key;
}

}  // namespace sluice::config
