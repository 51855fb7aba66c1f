#include "source/xds/resource_name.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "google/protobuf/descriptor.h"

namespace sluice::xds {

std::string resourceName(const google::protobuf::Message& resource) {
  const google::protobuf::Descriptor& type = *resource.GetDescriptor();
  const bool assignment = type.full_name() == "envoy.config.endpoint.v3.ClusterLoadAssignment";
  const google::protobuf::FieldDescriptor* field = type.FindFieldByName(assignment ? "cluster_name" : "name");
  if (field == nullptr || field->is_repeated() ||
      field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
    return "";
  }
  return resource.GetReflection()->GetString(resource, field);
}

void nameIfUnnamedListener(google::protobuf::Message& resource, const std::string& outer_name) {
  auto* listener = dynamic_cast<envoy::config::listener::v3::Listener*>(&resource);
  if (listener == nullptr || !listener->name().empty()) {
    return;
  }
  if (!outer_name.empty()) {
    listener->set_name(outer_name);
  } else if (listener->address().has_socket_address()) {
    const auto& address = listener->address().socket_address();
    listener->set_name(absl::StrCat("unnamed:", address.address(), ":", address.port_value()));
  } else if (listener->address().has_pipe()) {
    listener->set_name(absl::StrCat("unnamed:", listener->address().pipe().path()));
  }
}

absl::string_view shortTypeName(absl::string_view type_url) {
  const size_t dot = type_url.find_last_of("./");
  return dot == absl::string_view::npos ? type_url : type_url.substr(dot + 1);
}

}  // namespace sluice::xds
