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

/** What authorization services are told of TLS beside both ends' names. */
struct TlsAttributes {
  /** The client's certificate (include_peer_certificate). */
  bool certificate = false;
  /** The name that it asked for (include_tls_session). */
  bool session = false;
};

/** Both ends of a connection; `connection` is its own information, not that of a stream of it. */
void fillConnection(const net::StreamInfo& connection, const TlsAttributes& tls,
                    envoy::service::auth::v3::AttributeContext& out);

/** What this proxy is called (bootstrap_metadata_labels_key): texts that the node's metadata holds under a key. */
std::vector<std::pair<std::string, std::string>> destinationLabels(const envoy::config::core::v3::Node& node,
                                                                   const std::string& key);

/** Each bad byte becomes '!': the fields of messages that are texts must be UTF-8. */
std::string asUtf8(absl::string_view text);

}  // namespace sluice::filters
