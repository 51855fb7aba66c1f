#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/wire_format_lite.h"

namespace sluice::config {

// Walking through a message as Protobuf serialises it: what is set stands there, and nothing else, at a fraction of
// what reflection costs. Only for what a serialiser wrote, in which all values of a field stand together, the last one
// of a oneof alone, and lists of numbers are packed or not as the type has it. What came from elsewhere is parsed and
// serialised first.

/// A value on the wire: the bits of a scalar, or the bytes of a string or message (or of what is inside a group).
struct WireValue {
  uint64_t number = 0;
  absl::string_view bytes;
};

using WireType = google::protobuf::internal::WireFormatLite::WireType;

/// All that a message has of one field, or of one unknown number.
struct WireRun {
  int number = 0;
  WireType type = WireType::WIRETYPE_VARINT;
  int count = 0;            // of tags: a packed list has one
  WireValue value;          // that of the first tag
  absl::string_view whole;  // tags included, which is a message with only this field
};

/// Reads a serialised message, which it refers to, from its beginning to its end.
class WireReader {
 public:
  explicit WireReader(absl::string_view message) : at_(message.data()), end_(message.data() + message.size()) {}

  /// False at the end. Each reads on from where the other ended.
  bool nextRun(WireRun& run);
  /// One tag and its value, as a run of one.
  bool next(WireRun& field);
  /// A value without a tag, as in a packed list.
  bool nextValue(WireType type, WireValue& value);

 private:
  uint64_t readVarint();
  uint64_t readLongVarint(uint64_t first_bits);
  absl::string_view readBytes(uint64_t size);
  void readValue(WireType type, int number, WireValue& value);
  int peekNumber() const;

  const char* at_;
  const char* end_;
};

/// Calls `use` for each value of a field: that of a singular one, or the items of a list, packed or not.
template <typename Use>
void forEachValue(const google::protobuf::FieldDescriptor& field, absl::string_view whole, Use use) {
  using google::protobuf::internal::WireFormatLite;
  WireReader reader(whole);
  WireRun item;
  while (reader.next(item)) {
    if (item.type != WireType::WIRETYPE_LENGTH_DELIMITED || !field.is_packable()) {
      use(item.value);
      continue;
    }
    const WireType type = WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()));
    WireReader packed(item.value.bytes);
    WireValue value;
    while (packed.nextValue(type, value)) {
      use(value);
    }
  }
}

/// Finds the fields of a type by their numbers.
class FieldNumbers {
 public:
  explicit FieldNumbers(const google::protobuf::Descriptor& type);

  /// The field's place in its type's declaration; -1 if there is no such field.
  int find(int number) const {
    return static_cast<size_t>(number) < small_.size() ? small_[number] : findLarge(number);
  }

 private:
  int findLarge(int number) const;

  const google::protobuf::Descriptor& type_;
  std::vector<int16_t> small_;
};

}  // namespace sluice::config
