#include "source/config/type_registry.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/descriptor_set.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/descriptor_database.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "udpa/type/v1/typed_struct.pb.h"
#include "xds/type/v3/typed_struct.pb.h"

#include "source/base/assert.h"
#include "source/config/loader.h"

namespace sluice::config {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::internal::WireFormatLite;

/// The types of the embedded descriptor set. Files are built when one of their types is first asked for; the pool and
/// the factory lock themselves.
class EmbeddedTypes {
 public:
  EmbeddedTypes() : pool_(&database_), factory_(&pool_) {
    const absl::string_view set = api::descriptorSet();
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(set.data()),
                                              static_cast<int>(set.size()));
    while (const uint32_t tag = in.ReadTag()) {
      SLUICE_CHECK(WireFormatLite::GetTagFieldNumber(tag) == 1, "the embedded API is no FileDescriptorSet");
      uint32_t size = 0;
      SLUICE_CHECK(in.ReadVarint32(&size), "the embedded API is cut off");
      const int start = in.CurrentPosition();
      SLUICE_CHECK(in.Skip(static_cast<int>(size)), "the embedded API is cut off");
      SLUICE_CHECK(database_.Add(set.data() + start, static_cast<int>(size)), "the embedded API holds a file twice");
    }
  }

  const Descriptor* find(const std::string& name) { return pool_.FindMessageTypeByName(name); }
  const Message& prototype(const Descriptor& type) { return *factory_.GetPrototype(&type); }

 private:
  google::protobuf::EncodedDescriptorDatabase database_;
  DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
};

// Never destroyed: messages of its types may live until the process ends.
EmbeddedTypes& embeddedTypes() {
  static auto* types = new EmbeddedTypes;
  return *types;
}

// The two TypedStructs have the same fields.
template <typename TypedStruct, typename Use>
bool withTypedStruct(const Any& any, Use use) {
  if (typeName(any.type_url()) != TypedStruct::descriptor()->full_name()) {
    return false;
  }
  TypedStruct typed;
  use(typed, typed.ParseFromString(any.value()));
  return true;
}

template <typename Use>
bool withAnyTypedStruct(const Any& any, Use use) {
  return withTypedStruct<xds::type::v3::TypedStruct>(any, use) ||
         withTypedStruct<udpa::type::v1::TypedStruct>(any, use);
}

}  // namespace

absl::string_view typeName(absl::string_view type_url) {
  const size_t slash = type_url.rfind('/');
  return slash == absl::string_view::npos ? type_url : type_url.substr(slash + 1);
}

const Descriptor* findMessage(absl::string_view type_url_or_full_name) {
  const std::string name(typeName(type_url_or_full_name));
  if (name.empty()) {
    return nullptr;
  }
  const Descriptor* type = DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  return type != nullptr ? type : embeddedTypes().find(name);
}

namespace {

const Message& prototypeOf(const Descriptor& type) {
  if (type.file()->pool() == DescriptorPool::generated_pool()) {
    const Message* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type);
    SLUICE_CHECK(prototype != nullptr, "a compiled-in type has no prototype");
    return *prototype;
  }
  return embeddedTypes().prototype(type);
}

/** False, with a violation, if the Any's type is unknown. */
bool findType(const Any& any, const FieldPath& path, Violations& violations, const Descriptor*& type) {
  type = findMessage(any.type_url());
  if (type == nullptr) {
    violations.add(path, any.type_url().empty() ? "is empty: it has no type"
                                                : absl::StrCat("unknown type '", any.type_url(), "'"));
  }
  return type != nullptr;
}

bool parse(const Any& any, const FieldPath& path, Violations& violations, Message& message) {
  if (message.ParseFromString(any.value())) {
    return true;
  }
  violations.add(path, absl::StrCat("its bytes are no valid ", message.GetDescriptor()->full_name()));
  return false;
}

}  // namespace

std::unique_ptr<Message> newMessage(const Descriptor& type) {
  return std::unique_ptr<Message>(prototypeOf(type).New());
}

std::unique_ptr<Message> unpackAny(const Any& any, const FieldPath& path, Violations& violations) {
  const Descriptor* type = nullptr;
  if (!findType(any, path, violations, type)) {
    return nullptr;
  }
  std::unique_ptr<Message> message = newMessage(*type);
  return parse(any, path, violations, *message) ? std::move(message) : nullptr;
}

std::shared_ptr<Message> unpackShared(const Any& any, const FieldPath& path, Violations& violations) {
  constexpr size_t kLarge = 16 * 1024;
  if (any.value().size() < kLarge) {
    return unpackAny(any, path, violations);
  }
  const Descriptor* type = nullptr;
  if (!findType(any, path, violations, type)) {
    return nullptr;
  }
  google::protobuf::ArenaOptions options;
  options.max_block_size = 1024 * 1024;
  options.start_block_size = std::min(4 * any.value().size(), options.max_block_size);
  const auto arena = std::make_shared<google::protobuf::Arena>(options);
  const std::shared_ptr<Message> message(arena, prototypeOf(*type).New(arena.get()));
  return parse(any, path, violations, *message) ? message : nullptr;
}

std::string extensionTypeName(const Any& any) {
  std::string name;
  const bool is_typed_struct = withAnyTypedStruct(
      any, [&name](const auto& typed, bool parsed) { name = parsed ? std::string(typeName(typed.type_url())) : ""; });
  return is_typed_struct ? name : std::string(typeName(any.type_url()));
}

std::unique_ptr<Message> unpackExtension(const Any& any, const FieldPath& path, Violations& violations) {
  std::unique_ptr<Message> message;
  const auto convert = [&](const auto& typed, bool parsed) {
    if (!parsed) {
      violations.add(path, absl::StrCat("its bytes are no valid ", typed.GetDescriptor()->full_name()));
      return;
    }
    const Descriptor* type = findMessage(typed.type_url());
    if (type == nullptr) {
      violations.add(path.field("type_url"), absl::StrCat("unknown type '", typed.type_url(), "'"));
      return;
    }
    message = newMessage(*type);
    if (!structToMessage(typed.value(), *message, path.field("value"), violations)) {
      message = nullptr;
    }
  };
  return withAnyTypedStruct(any, convert) ? std::move(message) : unpackAny(any, path, violations);
}

bool unpackTo(const Any& any, Message& out, const FieldPath& path, Violations& violations) {
  const std::string& wanted = out.GetDescriptor()->full_name();
  if (typeName(any.type_url()) == wanted) {
    if (out.ParseFromString(any.value())) {
      return true;
    }
    violations.add(path, absl::StrCat("its bytes are no valid ", wanted));
    return false;
  }
  const std::string found = extensionTypeName(any);
  if (found != wanted) {
    violations.add(path, absl::StrCat("expected ", wanted, ", got ", found.empty() ? "nothing" : found));
    return false;
  }
  const std::unique_ptr<Message> message = unpackExtension(any, path, violations);
  if (message == nullptr) {
    return false;
  }
  out.CopyFrom(*message);
  return true;
}

}  // namespace sluice::config
