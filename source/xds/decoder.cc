#include "source/xds/decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/config/canonical_key.h"
#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/config/validate.h"
#include "source/xds/resource_name.h"

namespace sluice::xds {
namespace {

using Wrapper = envoy::service::discovery::v3::Resource;

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

std::chrono::milliseconds ttlOf(const Wrapper& wrapper) {
  return std::chrono::milliseconds(config::durationOr(wrapper.has_ttl(), wrapper.ttl(), 0));
}

/** The name of a resource whose type is not the expected one, as far as it can be had. */
std::string nameOfStranger(const google::protobuf::Any& any) {
  config::Violations ignored;
  const std::unique_ptr<google::protobuf::Message> message = config::unpackAny(any, config::FieldPath(), ignored);
  return message == nullptr ? "" : resourceName(*message);
}

DecodedResponse decodeAll(ResponseDecoder decoder) {
  while (decoder.step()) {
  }
  return decoder.take();
}

}  // namespace

ResponseDecoder::ResponseDecoder(ResponseReader reader, std::string default_type, DecodeOptions options)
    : reader_(std::move(reader)), default_type_(std::move(default_type)), options_(options) {}

ResponseDecoder::ResponseDecoder(DeltaResponseReader reader, DecodeOptions options)
    : delta_reader_(std::move(reader)), options_(options) {
  result_.delta = true;
}

size_t ResponseDecoder::size() const {
  return static_cast<size_t>(result_.delta ? delta_.resources_size() : response_.resources_size());
}

bool ResponseDecoder::step() {
  if (!read_) {
    read_ = true;
    result_.delta ? readDelta() : read();
  } else if (result_.delta) {
    envoy::service::discovery::v3::Resource& wrapper = *delta_.mutable_resources(static_cast<int>(next_));
    decodeWrapped(wrapper, next_++);
    wrapper.Clear();
  } else {
    google::protobuf::Any& any = *response_.mutable_resources(static_cast<int>(next_));
    unwrap(any, next_++);
    // A large response is not to be held twice over.
    std::string().swap(*any.mutable_value());
  }
  if (result_.status.ok() && !result_.unknown_type && next_ < size()) {
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
  checkType();
}

void ResponseDecoder::readDelta() {
  result_.status = delta_reader_(delta_);
  delta_reader_ = nullptr;
  if (!result_.status.ok()) {
    return;
  }
  result_.type_url = delta_.type_url();
  result_.version = delta_.system_version_info();
  result_.nonce = delta_.nonce();
  result_.control_plane = delta_.control_plane().identifier();
  for (std::string& name : *delta_.mutable_removed_resources()) {
    countName(name);
    result_.removed.push_back(std::move(name));
  }
  checkType();
}

void ResponseDecoder::checkType() {
  if (config::findMessage(result_.type_url) == nullptr) {
    result_.unknown_type = true;
    config::Violations violations;
    violations.add("type_url", absl::StrCat("there is no resource type '", result_.type_url, "'"));
    result_.errors.push_back({"", std::move(violations)});
  }
}

void ResponseDecoder::unwrap(google::protobuf::Any& any, size_t index) {
  if (config::typeName(any.type_url()) != kWrapperType) {
    return decode(any, nullptr, index);
  }
  envoy::service::discovery::v3::Resource wrapper;
  if (!any.UnpackTo(&wrapper)) {
    config::Violations violations;
    violations.add("", "the bytes are no envoy.service.discovery.v3.Resource");
    return refuse("", std::move(violations), index);
  }
  decodeWrapped(wrapper, index);
}

void ResponseDecoder::decodeWrapped(Wrapper& wrapper, size_t index) {
  if (wrapper.name().empty() && wrapper.has_resource_name()) {
    wrapper.set_name(wrapper.resource_name().name());
  }
  if (!wrapper.has_resource() && !wrapper.name().empty()) {
    countName(wrapper.name());
    result_.heartbeats.push_back({wrapper.name(), wrapper.version(), ttlOf(wrapper), wrapper.aliases_size() > 0});
    return;
  }
  decode(*wrapper.mutable_resource(), &wrapper, index);
}

void ResponseDecoder::decode(google::protobuf::Any& any, const Wrapper* wrapper, size_t index) {
  config::Violations violations;
  std::string name = wrapper == nullptr ? "" : wrapper->name();
  if (config::typeName(any.type_url()) != config::typeName(result_.type_url)) {
    if (const std::string own = nameOfStranger(any); !own.empty()) {
      name = own;
    }
    violations.add("", any.type_url().empty() ? std::string("the resource is missing")
                                              : absl::StrCat("the resource is of type '", any.type_url(),
                                                             "' in a response of type '", result_.type_url, "'"));
    return refuse(std::move(name), std::move(violations), index);
  }
  std::shared_ptr<google::protobuf::Message> message = config::unpackShared(any, config::FieldPath(), violations);
  if (message == nullptr) {
    return refuse(std::move(name), std::move(violations), index);
  }
  nameIfUnnamedListener(*message, name);
  if (std::string own = resourceName(*message); !own.empty()) {
    // Delta servers take a resource back by its outer name, which nothing would answer to.
    if (result_.delta && !name.empty() && own != name) {
      violations.add("name", absl::StrCat("the resource calls itself '", own, "' inside"));
    } else {
      name = std::move(own);
    }
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
  } else {
    countName(name);
  }
  if (!violations.empty()) {
    return refuse(std::move(name), std::move(violations), index, std::move(message));
  }
  Resource resource;
  resource.name = std::move(name);
  // In the delta protocol a version without a name to it is of no resource.
  resource.version =
      wrapper != nullptr && (result_.delta || !wrapper->version().empty()) ? wrapper->version() : result_.version;
  resource.ttl = wrapper == nullptr ? std::chrono::milliseconds(0) : ttlOf(*wrapper);
  resource.key = config::contentKeyOf(*message);
  resource.message = std::move(message);
  resource.bytes = std::make_shared<const std::string>(std::move(*any.mutable_value()));
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

void ResponseDecoder::countName(const std::string& name) { duplicates_ |= ++names_[name] > 1; }

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
  const auto again = [this](const auto& name) { return names_[name] > 1; };
  result_.removed.erase(std::remove_if(result_.removed.begin(), result_.removed.end(), again), result_.removed.end());
  result_.heartbeats.erase(std::remove_if(result_.heartbeats.begin(), result_.heartbeats.end(),
                                          [&](const Heartbeat& one) { return again(one.name); }),
                           result_.heartbeats.end());
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
                                    result_.delta ? " resources or removals of this name" : " resources of this name",
                                    ", so that it is not known which one is meant"));
    result_.errors.push_back({std::move(name), std::move(violations)});
  }
}

ResourceError withoutBody(Heartbeat heartbeat) {
  config::Violations violations;
  violations.add("", "the resource is missing");
  return {std::move(heartbeat.name), std::move(violations)};
}

DecodedResponse decodeResponse(ResponseReader reader, std::string default_type, DecodeOptions options) {
  return decodeAll(ResponseDecoder(std::move(reader), std::move(default_type), options));
}

DecodedResponse decodeDelta(DeltaResponseReader reader, DecodeOptions options) {
  return decodeAll(ResponseDecoder(std::move(reader), options));
}

}  // namespace sluice::xds
