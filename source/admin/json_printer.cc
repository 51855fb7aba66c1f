#include "source/admin/json_printer.h"

#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/type.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/type_resolver.h"
#include "google/protobuf/util/type_resolver_util.h"

#include "source/config/type_registry.h"

namespace sluice::admin {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::util::TypeResolver;
using ProtoStatus = google::protobuf::util::Status;

constexpr char kPrefix[] = "type.googleapis.com";

std::string urlOf(absl::string_view name) { return absl::StrCat(kPrefix, "/", name); }

}  // namespace

/** The configuration's type registry as protobuf's JSON code asks for types. What it made is kept: it asks often. */
class JsonPrinter::Types : public TypeResolver {
 public:
  ProtoStatus ResolveMessageType(const std::string& url, google::protobuf::Type* type) override {
    const std::string name(config::typeName(url));
    auto [known, added] = messages_.try_emplace(name);
    if (added) {
      const google::protobuf::Descriptor* descriptor = config::findMessage(name);
      ProtoStatus status;
      if (descriptor != nullptr) {
        status = resolverOf(descriptor->file()->pool()).ResolveMessageType(urlOf(name), &known->second);
      }
      if (descriptor == nullptr || !status.ok()) {
        // Without fields, so that all of it is skipped.
        known->second.Clear();
        known->second.set_name(name);
      }
    }
    type->CopyFrom(known->second);
    return ProtoStatus();
  }

  ProtoStatus ResolveEnumType(const std::string& url, google::protobuf::Enum* type) override {
    const std::string name(config::typeName(url));
    const auto known = enums_.find(name);
    if (known != enums_.end()) {
      type->CopyFrom(known->second);
      return ProtoStatus();
    }
    ProtoStatus status;
    for (auto& [pool, resolver] : resolvers_) {
      status = resolver->ResolveEnumType(urlOf(name), type);
      if (status.ok()) {
        enums_.emplace(name, *type);
        break;
      }
    }
    return status;
  }

 private:
  TypeResolver& resolverOf(const DescriptorPool* pool) {
    std::unique_ptr<TypeResolver>& resolver = resolvers_[pool];
    if (resolver == nullptr) {
      resolver.reset(google::protobuf::util::NewTypeResolverForDescriptorPool(kPrefix, pool));
    }
    return *resolver;
  }

  /** One for the types that are compiled in, one for the others. */
  std::map<const DescriptorPool*, std::unique_ptr<TypeResolver>> resolvers_;
  std::map<std::string, google::protobuf::Type> messages_;
  std::map<std::string, google::protobuf::Enum> enums_;
};

JsonPrinter::JsonPrinter() : types_(std::make_unique<Types>()) {}
JsonPrinter::~JsonPrinter() = default;

void JsonPrinter::append(const google::protobuf::Message& message, size_t indent, std::string& out, Defaults defaults,
                         absl::string_view type_url) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = defaults == Defaults::Shown;
  std::string json;
  const ProtoStatus status = google::protobuf::util::BinaryToJsonString(
      types_.get(), urlOf(message.GetDescriptor()->full_name()), message.SerializeAsString(), &json, options);
  if (!status.ok()) {
    json = "{\n \"error\": ";
    appendJsonString(absl::StrCat("this ", message.GetDescriptor()->full_name(),
                                  " cannot be shown: ", std::string(status.message())),
                     json);
    json += "\n}\n";
  }
  while (!json.empty() && json.back() == '\n') {
    json.pop_back();
  }
  absl::string_view rest = json;
  if (!type_url.empty()) {
    absl::StrAppend(&out, "{\n", std::string(indent + 1, ' '), "\"@type\": ");
    appendJsonString(type_url, out);
    rest.remove_prefix(1);
    if (rest == "}") {
      absl::StrAppend(&out, "\n", std::string(indent, ' '), "}");
      return;
    }
    out += ",";
  }
  // Strings hold no newline of their own.
  bool first = true;
  for (absl::string_view line : absl::StrSplit(rest, '\n')) {
    if (!first) {
      out += '\n';
      out.append(indent, ' ');
    }
    first = false;
    out.append(line.data(), line.size());
  }
}

std::string JsonPrinter::page(const google::protobuf::Message& message, Defaults defaults) {
  std::string page;
  append(message, 0, page, defaults);
  page += '\n';
  return page;
}

void appendJsonString(absl::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace sluice::admin
