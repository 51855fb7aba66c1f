#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/http/stream_info.h"
#include "source/net/stream_info.h"

namespace envoy::service::auth::v3 {
class AttributeContext;
}  // namespace envoy::service::auth::v3
namespace envoy::config::core::v3 {
class Node;
}  // namespace envoy::config::core::v3

namespace sluice::filters {

/** Names of filters whose metadata authorization services are told. */
struct MetadataNamespaces {
  std::vector<std::string> untyped;
  std::vector<std::string> typed;

  bool empty() const { return untyped.empty() && typed.empty(); }
  void copy(const envoy::config::core::v3::Metadata* from, envoy::config::core::v3::Metadata& to) const;
};

/** Both ends of a connection, and with `sni` the name that its client asked for. */
void fillConnection(const net::StreamInfo& info, bool sni, envoy::service::auth::v3::AttributeContext& out);

/** What this proxy is called (bootstrap_metadata_labels_key): texts that the node's metadata holds under a key. */
std::vector<std::pair<std::string, std::string>> destinationLabels(const envoy::config::core::v3::Node& node,
                                                                   const std::string& key);

/** Each bad byte becomes '!': the fields of messages that are texts must be UTF-8. */
std::string asUtf8(absl::string_view text);

}  // namespace sluice::filters
