#include "source/config/canonical_key.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include <openssl/sha.h>

#include "source/config/type_registry.h"
#include "source/config/wire.h"

namespace sluice::config {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Shape;

struct FieldShape {
  /// How a field is written: as it stands on the wire, but where that leaves a choice.
  enum class Kind { AsItIs, Real, Map, Message };

  Kind kind = Kind::AsItIs;
  const FieldDescriptor* field = nullptr;
  const Shape* content = nullptr;  // of messages and of a map's entries
};

/// What matters of a type of messages.
class Shape {
 public:
  explicit Shape(const Descriptor& type)
      : any(type.well_known_type() == Descriptor::WELLKNOWNTYPE_ANY), numbers(type) {}

  /// Any thread. The lock is taken for the root of a walk and for what an Any holds: posting would make pure functions
  /// wait for a thread. The type must live as long as the process.
  static const Shape& of(const Descriptor& type) {
    static auto* mutex = new std::mutex;
    static auto* shapes = new Shapes;
    const std::lock_guard<std::mutex> lock(*mutex);
    return find(*shapes, type);
  }

  const bool any;
  const FieldNumbers numbers;
  std::vector<FieldShape> fields;

 private:
  using Shapes = absl::flat_hash_map<const Descriptor*, std::unique_ptr<Shape>>;

  // Makes those of all that such messages can hold, too; types may hold themselves.
  static const Shape& find(Shapes& shapes, const Descriptor& type) {
    std::unique_ptr<Shape>& known = shapes[&type];
    if (known != nullptr) {
      return *known;
    }
    known = std::make_unique<Shape>(type);
    Shape& shape = *known;
    shape.fields.resize(static_cast<size_t>(type.field_count()));
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      FieldShape& made = shape.fields[static_cast<size_t>(i)];
      made.field = &field;
      if (field.message_type() != nullptr) {
        made.kind = field.is_map() ? FieldShape::Kind::Map : FieldShape::Kind::Message;
        made.content = &find(shapes, *field.message_type());
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
                 field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
        made.kind = FieldShape::Kind::Real;
      }
    }
    return shape;
  }
};

/// What follows a field's number. The first values are those of the wire, for what is written as it is.
enum class Kind : uint64_t { Message = 3, MapEntry = 4, KnownAny = 6, OtherAny = 7 };

constexpr uint64_t kEndOfMessage = 0;  // no field has the number 0

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void message(const Shape& shape, absl::string_view wire) {
    if (shape.any) {
      any(shape, wire);
      return;
    }
    std::vector<WireRun> unknown;
    WireReader reader(wire);
    for (WireRun run; reader.nextRun(run);) {
      if (const int index = shape.numbers.find(run.number); index < 0) {
        unknown.push_back(run);
      } else {
        field(shape.fields[static_cast<size_t>(index)], run);
      }
    }
    this->unknown(std::move(unknown));
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

  void field(const FieldShape& shape, const WireRun& run) {
    switch (shape.kind) {
      case FieldShape::Kind::AsItIs:
        out_.append(run.whole.data(), run.whole.size());
        break;
      case FieldShape::Kind::Real:
        forEachValue(*shape.field, run.whole, [&](const WireValue& value) { real(*shape.field, value); });
        break;
      case FieldShape::Kind::Map:
        map(shape, run);
        break;
      case FieldShape::Kind::Message:
        forEachValue(*shape.field, run.whole, [&](const WireValue& value) {
          tag(run.number, Kind::Message);
          message(*shape.content, value.bytes);
        });
        break;
    }
  }

  void real(const FieldDescriptor& field, const WireValue& wire) {
    double value = 0;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      float narrow = 0;
      std::memcpy(&narrow, &wire.number, sizeof(narrow));
      value = narrow;
    } else {
      std::memcpy(&value, &wire.number, sizeof(value));
    }
    // -0.0 is on the wire although it equals the default.
    if (value == 0 && !field.is_repeated() && !field.has_presence()) {
      return;
    }
    if (std::isnan(value)) {
      value = std::numeric_limits<double>::quiet_NaN();
    }
    value += 0.0;  // -0.0 becomes 0.0
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    varint((static_cast<uint64_t>(field.number()) << 3) | WireType::WIRETYPE_FIXED64);
    for (size_t i = 0; i < sizeof(bits); ++i) {
      out_.push_back(static_cast<char>(bits >> (8 * i)));
    }
  }

  void map(const FieldShape& shape, const WireRun& run) {
    std::vector<std::string> entries;
    forEachValue(*shape.field, run.whole,
                 [&](const WireValue& entry) { Writer(entries.emplace_back()).message(*shape.content, entry.bytes); });
    std::sort(entries.begin(), entries.end());
    for (const std::string& entry : entries) {
      tag(run.number, Kind::MapEntry);
      bytes(entry);
    }
  }

  void any(const Shape& shape, absl::string_view wire) {
    Any any;
    any.ParsePartialFromArray(wire.data(), static_cast<int>(wire.size()));
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
      message(Shape::of(*inside->GetDescriptor()), inside->SerializePartialAsString());
    } else {
      tag(1, Kind::OtherAny);
      bytes(typeName(any.type_url()));
      bytes(any.value());
    }
    std::vector<WireRun> unknown;
    WireReader reader(wire);
    for (WireRun run; reader.nextRun(run);) {
      if (shape.numbers.find(run.number) < 0) {
        unknown.push_back(run);
      }
    }
    this->unknown(std::move(unknown));
    varint(kEndOfMessage);
  }

  void unknown(std::vector<WireRun> fields) {
    std::stable_sort(fields.begin(), fields.end(),
                     [](const WireRun& a, const WireRun& b) { return a.number < b.number; });
    for (const WireRun& run : fields) {
      WireReader reader(run.whole);
      for (WireRun field; reader.next(field);) {
        if (field.type != WireType::WIRETYPE_START_GROUP) {
          out_.append(field.whole.data(), field.whole.size());
          continue;
        }
        std::vector<WireRun> inside;
        WireReader group(field.value.bytes);
        for (WireRun inner; group.nextRun(inner);) {
          inside.push_back(inner);
        }
        tag(field.number, Kind::Message);
        unknown(std::move(inside));
        varint(kEndOfMessage);
      }
    }
  }

  std::string& out_;
};

}  // namespace

std::string ContentKey::hex() const {
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string canonicalBytes(const Message& message) {
  const std::string wire = message.SerializePartialAsString();
  std::string out;
  out.reserve(wire.size());
  Writer(out).message(Shape::of(*message.GetDescriptor()), wire);
  return out;
}

ContentKey contentKey(absl::string_view canonical) {
  ContentKey key;
  static_assert(sizeof(key.digest) == SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(canonical.data()), canonical.size(), key.digest.data());
  return key;
}

}  // namespace sluice::config
