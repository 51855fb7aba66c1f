#include "source/access_log/state_operators.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/config/core/v3/base.pb.h"

#include "source/access_log/json_text.h"
#include "source/access_log/metadata_value.h"

namespace sluice::access_log {
namespace {

using Source = const envoy::config::core::v3::Metadata* (*)(const LogContext&);

template <Source source>
bool metadataText(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return appendMetadataText(source(context), argument.parts, out);
}

template <Source source>
bool metadataJson(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return appendMetadataJson(source(context), argument.parts, out);
}

enum FilterStateForm : uint32_t { kTyped, kPlain, kField };

/** "KEY", "KEY:PLAIN", "KEY:TYPED", "KEY:FIELD:NAME" */
absl::Status prepareFilterState(PreparedArgument& argument, const OperatorTable&) {
  const std::vector<std::string> parts = absl::StrSplit(argument.text, ':');
  if (parts[0].empty()) {
    return absl::InvalidArgumentError("a key of the filter state is needed");
  }
  argument.text = parts[0];
  argument.numbers[0] = kTyped;
  if (parts.size() > 1 && parts[1] == "PLAIN") {
    argument.numbers[0] = kPlain;
  } else if (parts.size() > 1 && parts[1] == "FIELD") {
    argument.numbers[0] = kField;
    if (parts.size() != 3 || parts[2].empty()) {
      return absl::InvalidArgumentError("after FIELD comes the name of a field");
    }
  } else if (parts.size() > 1 && parts[1] != "TYPED") {
    return absl::InvalidArgumentError(absl::StrCat("'", parts[1], "' is none of PLAIN, TYPED and FIELD"));
  }
  if (parts.size() > (argument.numbers[0] == kField ? 3u : 2u)) {
    return absl::InvalidArgumentError("too many arguments");
  }
  return absl::OkStatus();
}

bool filterState(const LogContext& context, const PreparedArgument& argument, bool json, std::string& out) {
  const net::FilterState::Object* const object = context.info.filterState(argument.text);
  // No object that Sluice keeps has fields.
  if (object == nullptr || argument.numbers[0] == kField) {
    return false;
  }
  const std::string text = object->serialize();
  if (argument.numbers[0] == kTyped || json) {
    appendJsonString(text, out);
  } else {
    out += text;
  }
  return true;
}

bool filterStateText(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return filterState(context, argument, false, out);
}

bool filterStateJson(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return filterState(context, argument, true, out);
}

bool nothing(const LogContext&, const PreparedArgument&, std::string&) { return false; }

}  // namespace

absl::Status prepareMetadataPath(PreparedArgument& argument, const OperatorTable&) {
  argument.parts = absl::StrSplit(argument.text, ':');
  return argument.parts[0].empty() ? absl::InvalidArgumentError("a namespace of the metadata is needed")
                                   : absl::OkStatus();
}

const envoy::config::core::v3::Metadata* dynamicMetadata(const LogContext& context) {
  return context.info.extras == nullptr ? nullptr : context.info.extras->metadata.get();
}

const envoy::config::core::v3::Metadata* clusterMetadata(const LogContext& context) {
  return context.info.upstream == nullptr ? nullptr : context.info.upstream->cluster_metadata.get();
}

const envoy::config::core::v3::Metadata* hostMetadata(const LogContext& context) {
  return context.info.upstream == nullptr ? nullptr : context.info.upstream->host_metadata.get();
}

void addStateOperators(OperatorTable& table) {
  table.add({"DYNAMIC_METADATA", Argument::Required, "Dynamic metadata; X is its namespace, and keys after colons",
             metadataText<dynamicMetadata>, prepareMetadataPath, metadataJson<dynamicMetadata>});
  table.add({"CLUSTER_METADATA", Argument::Required, "The same of the cluster", metadataText<clusterMetadata>,
             prepareMetadataPath, metadataJson<clusterMetadata>});
  table.add({"UPSTREAM_METADATA", Argument::Required, "The same of the endpoint", metadataText<hostMetadata>,
             prepareMetadataPath, metadataJson<hostMetadata>});
  table.add({"FILTER_STATE", Argument::Required,
             "The filter state's object X, as a JSON string, or with X:PLAIN as it is", filterStateText,
             prepareFilterState, filterStateJson});
  table.add({"UPSTREAM_FILTER_STATE", Argument::Required, "Upstream connections have no filter state: always -",
             nothing, prepareFilterState});
}

}  // namespace sluice::access_log
