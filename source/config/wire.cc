#include "source/config/wire.h"

#include <algorithm>
#include <cstring>

#include "source/base/assert.h"

namespace sluice::config {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

namespace {

constexpr char kBroken[] = "a serialised message is cut off";

// Larger numbers are rare, and so they are searched for.
constexpr int kSmallNumbers = 256;

}  // namespace

uint64_t WireReader::readVarint() {
  SLUICE_CHECK(at_ != end_, kBroken);
  const auto first = static_cast<unsigned char>(*at_++);
  return first < 0x80 ? first : readLongVarint(first & 0x7F);
}

uint64_t WireReader::readLongVarint(uint64_t first_bits) {
  uint64_t value = first_bits;
  for (int shift = 7; shift < 64; shift += 7) {
    SLUICE_CHECK(at_ != end_, kBroken);
    const auto byte = static_cast<unsigned char>(*at_++);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      break;
    }
  }
  return value;
}

absl::string_view WireReader::readBytes(uint64_t size) {
  SLUICE_CHECK(size <= static_cast<uint64_t>(end_ - at_), kBroken);
  const absl::string_view bytes(at_, size);
  at_ += size;
  return bytes;
}

void WireReader::readValue(WireType type, int number, WireValue& value) {
  value = {};
  switch (type) {
    case WireType::WIRETYPE_VARINT:
      value.number = readVarint();
      break;
    case WireType::WIRETYPE_FIXED64:
      std::memcpy(&value.number, readBytes(8).data(), 8);
      break;
    case WireType::WIRETYPE_FIXED32: {
      uint32_t bits = 0;
      std::memcpy(&bits, readBytes(4).data(), 4);
      value.number = bits;
      break;
    }
    case WireType::WIRETYPE_LENGTH_DELIMITED:
      value.bytes = readBytes(readVarint());
      break;
    case WireType::WIRETYPE_START_GROUP: {
      const char* const begin = at_;
      WireRun inner;
      while (next(inner)) {
      }
      // next() stopped before the group's end, whose tag is as long as that of its start.
      value.bytes = absl::string_view(begin, static_cast<size_t>(at_ - begin));
      SLUICE_CHECK(peekNumber() == number, kBroken);
      readVarint();
      break;
    }
    case WireType::WIRETYPE_END_GROUP:
      break;
  }
}

int WireReader::peekNumber() const {
  return at_ == end_ ? 0 : WireFormatLite::GetTagFieldNumber(static_cast<uint32_t>(WireReader(*this).readVarint()));
}

bool WireReader::next(WireRun& field) {
  if (at_ == end_) {
    return false;
  }
  const char* const begin = at_;
  const auto tag = static_cast<uint32_t>(readVarint());
  field.number = WireFormatLite::GetTagFieldNumber(tag);
  field.type = WireFormatLite::GetTagWireType(tag);
  if (field.type == WireType::WIRETYPE_END_GROUP) {
    at_ = begin;
    return false;
  }
  readValue(field.type, field.number, field.value);
  field.count = 1;
  field.whole = absl::string_view(begin, static_cast<size_t>(at_ - begin));
  return true;
}

bool WireReader::nextRun(WireRun& run) {
  if (!next(run)) {
    return false;
  }
  WireRun more;
  while (peekNumber() == run.number && next(more)) {
    ++run.count;
    run.whole = absl::string_view(run.whole.data(), static_cast<size_t>(at_ - run.whole.data()));
  }
  return true;
}

bool WireReader::nextValue(WireType type, WireValue& value) {
  if (at_ == end_) {
    return false;
  }
  readValue(type, 0, value);
  return true;
}

FieldNumbers::FieldNumbers(const Descriptor& type) : type_(type) {
  int largest = 0;
  for (int i = 0; i < type.field_count(); ++i) {
    const int number = type.field(i)->number();
    largest = number < kSmallNumbers ? std::max(largest, number) : largest;
  }
  small_.assign(static_cast<size_t>(largest) + 1, -1);
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->number() <= largest) {
      small_[type.field(i)->number()] = static_cast<int16_t>(i);
    }
  }
}

int FieldNumbers::findLarge(int number) const {
  const FieldDescriptor* const field = type_.FindFieldByNumber(number);
  return field == nullptr ? -1 : field->index();
}

}  // namespace sluice::config
