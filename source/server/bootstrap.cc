#include "source/server/bootstrap.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/base/version.h"
#include "source/config/data_source.h"
#include "source/config/loader.h"
#include "source/config/validate.h"

namespace sluice::server {
namespace {

using BootstrapProto = envoy::config::bootstrap::v3::Bootstrap;

void fillNode(const Options& options, envoy::config::core::v3::Node& node) {
  if (!options.service_node.empty()) {
    node.set_id(options.service_node);
  }
  if (!options.service_cluster.empty()) {
    node.set_cluster(options.service_cluster);
  }
  if (!options.service_zone.empty()) {
    node.mutable_locality()->set_zone(options.service_zone);
  }
  node.set_user_agent_name("sluice");
  auto& version = *node.mutable_user_agent_build_version();
  const std::vector<std::string> numbers = absl::StrSplit(base::kVersion, '.');
  uint32_t number[3] = {};
  for (size_t i = 0; i < 3 && i < numbers.size(); ++i) {
    (void)absl::SimpleAtoi(numbers[i], &number[i]);
  }
  version.mutable_version()->set_major_number(number[0]);
  version.mutable_version()->set_minor_number(number[1]);
  version.mutable_version()->set_patch(number[2]);
  node.add_client_features("envoy.lb.does_not_support_overprovisioning");
}

void checkWatchedDirectory(const envoy::config::core::v3::PathConfigSource& source, const config::FieldPath& path,
                           config::Violations& violations) {
  const std::string& directory = source.watched_directory().path();
  std::error_code error;
  if (!directory.empty() && !std::filesystem::is_directory(directory, error)) {
    violations.add(path.field("watched_directory").field("path"),
                   absl::StrCat("cannot watch '", directory, "': ", error ? error.message() : "Not a directory"));
  }
}

/** Where LDS and CDS come from must be there from the beginning; whether it answers is seen later. */
void checkSource(const envoy::config::core::v3::ConfigSource& source, bool has_ads, const config::FieldPath& path,
                 config::Violations& violations) {
  using Source = envoy::config::core::v3::ConfigSource;
  switch (source.config_source_specifier_case()) {
    case Source::kAds:
      if (!has_ads) {
        violations.add(path.field("ads"), "there is no dynamic_resources.ads_config that says where ADS is");
      }
      return;
    case Source::kPathConfigSource:
      (void)config::readFile(source.path_config_source().path(), path.field("path_config_source").field("path"),
                             violations);
      checkWatchedDirectory(source.path_config_source(), path.field("path_config_source"), violations);
      return;
    case Source::kPath:
      (void)config::readFile(source.path(), path.field("path"), violations);
      return;
    case Source::CONFIG_SOURCE_SPECIFIER_NOT_SET:
      violations.add(path, "must say where the resources come from: ads or path_config_source");
      return;
    default:
      // The support table has refused it.
      return;
  }
}

}  // namespace

Bootstrap loadBootstrap(const Options& options, config::Violations& violations) {
  Bootstrap out;
  out.subject = options.config_path.empty() ? "--config-yaml" : options.config_path;
  config::ParseOptions parse;
  parse.allow_unknown_fields = options.allow_unknown_static_fields;

  if (!options.config_path.empty()) {
    if (const auto text = config::readFile(options.config_path, config::FieldPath(), violations)) {
      parse.format = config::formatOf(options.config_path);
      config::parseYaml(*text, out.proto, parse, &out.locations, violations, &out.unknown);
    }
  }
  if (!options.config_yaml.empty()) {
    BootstrapProto overlay;
    config::SourceMap* const locations = options.config_path.empty() ? &out.locations : nullptr;
    config::Violations mistakes;
    parse.format = config::Format::Auto;
    config::parseYaml(options.config_yaml, overlay, parse, locations, mistakes, &out.unknown);
    if (locations == nullptr) {
      // Its lines are not the file's.
      for (const config::Violation& mistake : mistakes.list()) {
        violations.add(mistake.path, absl::StrCat(mistake.reason, " (line ", mistake.line, " of --config-yaml)"));
      }
    } else {
      violations.addAll(mistakes);
    }
    out.proto.MergeFrom(overlay);
  }
  fillNode(options, *out.proto.mutable_node());

  config::Report report;
  config::validateMessage(out.proto, config::FieldPath(), report);
  violations.addAll(report.violations);
  out.ignored = std::move(report.ignored);

  const auto& dynamic = out.proto.dynamic_resources();
  const bool has_ads = dynamic.has_ads_config();
  const config::FieldPath dynamic_path("dynamic_resources");
  if (dynamic.has_cds_config()) {
    checkSource(dynamic.cds_config(), has_ads, dynamic_path.field("cds_config"), violations);
  }
  if (dynamic.has_lds_config()) {
    checkSource(dynamic.lds_config(), has_ads, dynamic_path.field("lds_config"), violations);
  }
  if (has_ads && (out.proto.node().id().empty() || out.proto.node().cluster().empty())) {
    violations.add(config::FieldPath("node"),
                   "the control plane needs node.id and node.cluster: set them here, or with --service-node and "
                   "--service-cluster");
  }
  return out;
}

std::string describeMistakes(const std::string& subject, const config::SourceMap& locations,
                             config::Violations violations) {
  violations.locate(locations);
  std::string out =
      absl::StrCat(subject, ": ", violations.size(), violations.size() == 1 ? " mistake\n" : " mistakes\n");
  const std::vector<std::string> lines = absl::StrSplit(violations.toString(), '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    absl::StrAppend(&out, "  ", line, "\n");
  }
  return out;
}

}  // namespace sluice::server
