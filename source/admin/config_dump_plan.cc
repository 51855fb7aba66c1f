#include "source/admin/config_dump_plan.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/util/field_mask_util.h"

#include "source/config/type_registry.h"

namespace sluice::admin {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;

DumpList listOf(absl::string_view field) {
  static const auto* lists = new std::map<absl::string_view, DumpList>{
      {"static_clusters", DumpList::StaticClusters},
      {"dynamic_active_clusters", DumpList::ActiveClusters},
      {"dynamic_warming_clusters", DumpList::WarmingClusters},
      {"static_endpoint_configs", DumpList::StaticEndpoints},
      {"dynamic_endpoint_configs", DumpList::DynamicEndpoints},
      {"static_listeners", DumpList::StaticListeners},
      {"dynamic_listeners", DumpList::DynamicListeners},
      {"static_route_configs", DumpList::StaticRoutes},
      {"dynamic_route_configs", DumpList::DynamicRoutes},
      {"static_secrets", DumpList::StaticSecrets},
      {"dynamic_active_secrets", DumpList::ActiveSecrets},
      {"dynamic_warming_secrets", DumpList::WarmingSecrets},
  };
  const auto found = lists->find(field);
  return found == lists->end() ? DumpList::Empty : found->second;
}

/** In the order of Envoy's page. */
std::vector<const Descriptor*> dumpTypes(bool include_eds) {
  std::vector<const Descriptor*> types = {envoy::admin::v3::BootstrapConfigDump::descriptor(),
                                          envoy::admin::v3::ClustersConfigDump::descriptor()};
  if (include_eds) {
    types.push_back(envoy::admin::v3::EndpointsConfigDump::descriptor());
  }
  types.push_back(envoy::admin::v3::ListenersConfigDump::descriptor());
  types.push_back(envoy::admin::v3::RoutesConfigDump::descriptor());
  types.push_back(envoy::admin::v3::SecretsConfigDump::descriptor());
  return types;
}

bool hasAllPaths(const FieldMask& mask, const Descriptor& type) {
  for (const std::string& path : mask.paths()) {
    if (!FieldMaskUtil::GetFieldDescriptors(&type, path, nullptr)) {
      return false;
    }
  }
  return true;
}

bool allows(const FieldMask* mask, absl::string_view field) {
  if (mask == nullptr) {
    return true;
  }
  for (const std::string& path : mask->paths()) {
    if (path == field) {
      return true;
    }
  }
  return false;
}

/** All that the mask leaves of one dump. */
DumpPart planPart(const Descriptor& type, const FieldMask* mask) {
  DumpPart part;
  part.type = &type;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated() && allows(mask, field.name())) {
      part.lists.push_back({listOf(field.name()), field.name()});
    } else if (field.name() == "version_info") {
      part.version = allows(mask, field.name());
    }
  }
  return part;
}

absl::Status planResource(const std::string& resource, bool include_eds, DumpPlan& plan) {
  for (const Descriptor* type : dumpTypes(include_eds)) {
    const FieldDescriptor* field = type->FindFieldByName(resource);
    if (field == nullptr) {
      continue;
    }
    if (!field->is_repeated()) {
      return absl::InvalidArgumentError(
          absl::StrCat(resource, " is not a repeated field. Use ?mask=", resource, " to get only this field"));
    }
    plan.single_resource = true;
    DumpPart part;
    part.type = field->message_type();
    part.lists.push_back({listOf(resource), resource});
    plan.parts.push_back(std::move(part));
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(resource, " not found in config dump"));
}

/** Whether an element of this type can have what the mask names. */
bool fitsElement(const FieldMask& mask, const Descriptor& type) {
  const std::unique_ptr<Message> empty = config::newMessage(type);
  return trimElement(mask, *empty);
}

}  // namespace

absl::StatusOr<DumpPlan> planDump(const Request& request) {
  DumpPlan plan;
  const std::string* names = request.find("name_regex");
  if (names != nullptr && !names->empty()) {
    auto regex = std::make_shared<re2::RE2>(*names, re2::RE2::Quiet);
    if (!regex->ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("INVALID_ARGUMENT: Error while parsing name_regex from ", *names, ": ", regex->error()));
    }
    plan.names = std::move(regex);
  }
  const std::string* mask_text = request.find("mask");
  if (mask_text != nullptr && !mask_text->empty()) {
    auto mask = std::make_shared<FieldMask>();
    FieldMaskUtil::FromString(*mask_text, mask.get());
    plan.mask = std::move(mask);
  }
  const bool include_eds = request.has("include_eds");
  const std::string* resource = request.find("resource");
  if (resource != nullptr && !resource->empty()) {
    if (const absl::Status status = planResource(*resource, include_eds, plan); !status.ok()) {
      return status;
    }
    if (plan.mask != nullptr && !fitsElement(*plan.mask, *plan.parts.front().type)) {
      return absl::InvalidArgumentError(describeBadMask(*plan.mask));
    }
    return plan;
  }
  for (const Descriptor* type : dumpTypes(include_eds)) {
    // Each dump has fields of its own, so a mask that does not fit one leaves it out.
    if (plan.mask == nullptr || hasAllPaths(*plan.mask, *type)) {
      plan.parts.push_back(planPart(*type, plan.mask.get()));
    }
  }
  return plan;
}

bool trimElement(const FieldMask& mask, Message& element) {
  const Descriptor& type = *element.GetDescriptor();
  FieldMask outer;
  std::map<const FieldDescriptor*, FieldMask> inner;
  for (const std::string& path : mask.paths()) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(path, absl::MaxSplits('.', 1));
    const FieldDescriptor* field = type.FindFieldByName(parts.first);
    if (field != nullptr && !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
        field->message_type() == google::protobuf::Any::descriptor()) {
      outer.add_paths(parts.first);
      if (!parts.second.empty()) {
        inner[field].add_paths(parts.second);
      }
    } else {
      outer.add_paths(path);
    }
  }
  if (!hasAllPaths(outer, type)) {
    return false;
  }
  for (const auto& [field, inner_mask] : inner) {
    if (!element.GetReflection()->HasField(element, field)) {
      continue;
    }
    auto& any = static_cast<google::protobuf::Any&>(*element.GetReflection()->MutableMessage(&element, field));
    const Descriptor* inner_type = config::findMessage(any.type_url());
    if (inner_type == nullptr) {
      continue;
    }
    const std::unique_ptr<Message> message = config::newMessage(*inner_type);
    if (!hasAllPaths(inner_mask, *inner_type) || !message->ParseFromString(any.value())) {
      return false;
    }
    FieldMaskUtil::TrimMessage(inner_mask, message.get());
    any.set_value(message->SerializeAsString());
  }
  FieldMaskUtil::TrimMessage(outer, &element);
  return true;
}

std::string describeBadMask(const FieldMask& mask) {
  return absl::StrCat("FieldMask ", mask.DebugString(), " could not be successfully used.");
}

}  // namespace sluice::admin
