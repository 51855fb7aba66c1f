#include "source/xds/decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/config/canonical_key.h"
#include "source/config/type_registry.h"
#include "source/config/validate.h"
#include "source/xds/resource_name.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryResponse;

constexpr absl::string_view kWrapperType = "envoy.service.discovery.v3.Resource";

/** Where in the response a resource stands, for one whose name is not known, and for finding lines. */
config::FieldPath place(size_t index) { return config::FieldPath(absl::string_view("resources")).index(index); }

std::string under(const config::FieldPath& root, const std::string& path) {
  return path.empty() ? root.toString() : absl::StrCat(root.toString(), ".", path);
}

void addOnce(std::vector<std::string>& list, const std::vector<std::string>& added) {
  for (const std::string& item : added) {
    if (std::find(list.begin(), list.end(), item) == list.end()) {
      list.push_back(item);
    }
  }
}

/** The name of a resource whose type is not the expected one, as far as it can be had. */
std::string nameOfStranger(const google::protobuf::Any& any) {
  config::Violations ignored;
  const std::unique_ptr<google::protobuf::Message> message = config::unpackAny(any, config::FieldPath(), ignored);
  return message == nullptr ? "" : resourceName(*message);
}

}  // namespace

ResponseDecoder::ResponseDecoder(ResponseReader reader, std::string default_type, DecodeOptions options)
    : reader_(std::move(reader)), default_type_(std::move(default_type)), options_(options) {}

bool ResponseDecoder::step() {
  if (!read_) {
    read_ = true;
    read();
  } else {
    decodeResource(*response_.mutable_resources(static_cast<int>(next_)), next_);
    // A large response is not to be held twice over.
    std::string().swap(*response_.mutable_resources(static_cast<int>(next_))->mutable_value());
    ++next_;
  }
  if (result_.status.ok() && !result_.unknown_type && next_ < static_cast<size_t>(response_.resources_size())) {
    return true;
  }
  refuseDuplicates();
  result_.record = result_.resources;
  return false;
}

DecodedResponse ResponseDecoder::take() { return std::move(result_); }

void ResponseDecoder::read() {
  result_.status = reader_(response_, locations_);
  reader_ = nullptr;
  if (!result_.status.ok()) {
    return;
  }
  has_locations_ = locations_.lineOf("resources") != 0;
  result_.type_url = response_.type_url().empty() ? default_type_ : response_.type_url();
  result_.version = response_.version_info();
  result_.nonce = response_.nonce();
  result_.control_plane = response_.control_plane().identifier();
  if (config::findMessage(result_.type_url) == nullptr) {
    result_.unknown_type = true;
    config::Violations violations;
    violations.add("type_url", absl::StrCat("there is no resource type '", result_.type_url, "'"));
    result_.errors.push_back({"", std::move(violations)});
  }
}

void ResponseDecoder::decodeResource(google::protobuf::Any& any, size_t index) {
  config::Violations violations;
  std::string name;
  envoy::service::discovery::v3::Resource wrapper;
  google::protobuf::Any* inner = &any;
  if (config::typeName(any.type_url()) == kWrapperType) {
    if (!any.UnpackTo(&wrapper)) {
      violations.add("", "the bytes are no envoy.service.discovery.v3.Resource");
      return refuse("", std::move(violations), index);
    }
    name = wrapper.name();
    inner = wrapper.mutable_resource();
  }
  if (config::typeName(inner->type_url()) != config::typeName(result_.type_url)) {
    if (const std::string own = nameOfStranger(*inner); !own.empty()) {
      name = own;
    }
    violations.add("", inner->type_url().empty() ? std::string("the resource is missing")
                                                 : absl::StrCat("the resource is of type '", inner->type_url(),
                                                                "' in a response of type '", result_.type_url, "'"));
    return refuse(std::move(name), std::move(violations), index);
  }
  std::shared_ptr<google::protobuf::Message> message = config::unpackShared(*inner, config::FieldPath(), violations);
  if (message == nullptr) {
    return refuse(std::move(name), std::move(violations), index);
  }
  nameIfUnnamedListener(*message);
  if (std::string own = resourceName(*message); !own.empty()) {
    name = std::move(own);
  }
  config::Report report;
  config::validateMessage(*message, config::FieldPath(), report);
  addOnce(result_.ignored, report.ignored);
  addOnce(result_.unknown, report.unknown);
  violations.addAll(report.violations);
  if (options_.reject_unknown_fields) {
    for (const std::string& path : report.unknown) {
      violations.add(path, "holds a field that this build does not know");
    }
  }
  if (name.empty()) {
    violations.add("", "the resource has no name");
  } else if (const size_t times = ++names_[name]; times > 1) {
    duplicates_ = true;
  }
  if (!violations.empty()) {
    return refuse(std::move(name), std::move(violations), index, std::move(message));
  }
  auto canonical = std::make_shared<const std::string>(config::canonicalBytes(*message));
  Resource resource;
  resource.name = std::move(name);
  resource.version = wrapper.version().empty() ? result_.version : wrapper.version();
  resource.message = std::move(message);
  resource.bytes = std::make_shared<const std::string>(std::move(*inner->mutable_value()));
  resource.key = config::contentKey(*canonical);
  resource.canonical = std::move(canonical);
  result_.resources.push_back(std::move(resource));
}

void ResponseDecoder::refuse(std::string name, config::Violations violations, size_t index,
                             std::shared_ptr<const google::protobuf::Message> message) {
  config::Violations told;
  for (const config::Violation& violation : violations.list()) {
    const std::string place_in_file = under(place(index), violation.path);
    const int line = has_locations_ && violation.line == 0 ? locations_.lineOf(place_in_file) : violation.line;
    told.add(name.empty() ? place_in_file : violation.path, violation.reason, line);
  }
  result_.errors.push_back({std::move(name), std::move(told), std::move(message)});
}

void ResponseDecoder::refuseDuplicates() {
  if (!duplicates_) {
    return;
  }
  std::vector<Resource> unique;
  for (Resource& resource : result_.resources) {
    if (names_[resource.name] == 1) {
      unique.push_back(std::move(resource));
    }
  }
  result_.resources = std::move(unique);
  std::vector<std::string> names;
  for (const auto& [name, times] : names_) {
    if (times > 1) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  for (std::string& name : names) {
    config::Violations violations;
    violations.add("", absl::StrCat("the response has ", names_[name],
                                    " resources of this name, so that it is not known which one is meant"));
    result_.errors.push_back({std::move(name), std::move(violations)});
  }
}

DecodedResponse decodeResponse(ResponseReader reader, std::string default_type, DecodeOptions options) {
  ResponseDecoder decoder(std::move(reader), std::move(default_type), options);
  while (decoder.step()) {
  }
  return decoder.take();
}

}  // namespace sluice::xds
