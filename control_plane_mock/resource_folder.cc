#include "control_plane_mock/resource_folder.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/config/data_source.h"
#include "source/config/document.h"
#include "source/config/loader.h"
#include "source/config/type_registry.h"
#include "source/xds/resource_name.h"

namespace sluice::control_plane_mock {
namespace {

using google::protobuf::Any;

bool hasKey(const config::Node& map, absl::string_view key) {
  for (size_t i = 0; map.kind == config::Node::Kind::Map && i + 1 < map.items.size(); i += 2) {
    if (map.items[i]->text == key) {
      return true;
    }
  }
  return false;
}

/** No value, with violations, if the text is broken. */
std::optional<std::vector<Any>> parse(const std::string& name, const std::string& text,
                                      config::Violations& violations) {
  config::ParseOptions options;
  options.format = config::formatOf(name);
  const auto document = config::Document::parse(text, options.format, violations);
  if (document == nullptr) {
    return std::nullopt;
  }
  std::vector<Any> resources;
  if (hasKey(document->root(), "@type")) {
    Any resource;
    if (!config::parseYaml(text, resource, options, nullptr, violations)) {
      return std::nullopt;
    }
    resources.push_back(std::move(resource));
    return resources;
  }
  envoy::service::discovery::v3::DiscoveryResponse list;
  if (!config::parseYaml(text, list, options, nullptr, violations)) {
    return std::nullopt;
  }
  resources.assign(list.resources().begin(), list.resources().end());
  return resources;
}

bool equal(const std::vector<Any>& a, const std::vector<Any>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Any& x, const Any& y) { return x.type_url() == y.type_url() && x.value() == y.value(); });
}

}  // namespace

bool ResourceFolder::isResourceFile(absl::string_view name) {
  return !absl::StartsWith(name, ".") &&
         (absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") || absl::EndsWith(name, ".json"));
}

ResourceFolder::Loaded ResourceFolder::load() {
  Loaded loaded;
  std::map<std::string, std::vector<Any>> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    if (!isResourceFile(name)) {
      continue;
    }
    config::Violations violations;
    const std::optional<std::string> text = config::readFile(entry.path().string(), config::FieldPath(), violations);
    std::optional<std::vector<Any>> resources;
    if (text.has_value()) {
      resources = parse(name, *text, violations);
    }
    if (resources.has_value()) {
      files[name] = *std::move(resources);
      continue;
    }
    for (const config::Violation& violation : violations.list()) {
      loaded.errors.push_back(absl::StrCat(name, ": ",
                                           violation.line > 0 ? absl::StrCat("line ", violation.line, ": ") : "",
                                           violation.path, violation.path.empty() ? "" : ": ", violation.reason));
    }
    if (auto last_good = files_.find(name); last_good != files_.end()) {
      files[name] = last_good->second;
    }
  }
  if (error) {
    loaded.errors.push_back(absl::StrCat("the folder cannot be read: ", error.message()));
    return loaded;
  }
  files_ = std::move(files);

  std::map<std::string, std::vector<Any>> resources;
  std::map<std::pair<std::string, std::string>, std::string> seen_in;
  for (const auto& [type, list] : resources_) {
    resources[type];
  }
  for (const auto& [file, list] : files_) {
    for (const Any& resource : list) {
      config::Violations ignored;
      const auto message = config::unpackAny(resource, config::FieldPath(), ignored);
      const std::string name = message == nullptr ? "" : xds::resourceName(*message);
      const auto [first, added] = seen_in.try_emplace({resource.type_url(), name}, file);
      if (!added) {
        loaded.errors.push_back(absl::StrCat(file, ": ", xds::shortTypeName(resource.type_url()), " \"", name,
                                             "\" is in ", first->second, ", too; both are served"));
      }
      resources[resource.type_url()].push_back(resource);
    }
  }
  for (const auto& [type, list] : resources) {
    auto before = resources_.find(type);
    if (before == resources_.end() || !equal(before->second, list)) {
      loaded.changed_types.push_back(type);
    }
  }
  resources_ = std::move(resources);
  return loaded;
}

}  // namespace sluice::control_plane_mock
