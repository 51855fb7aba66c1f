#include "source/filters/http/rate_limit_descriptors.h"

#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/route/v3/route_components.pb.h"

#include "source/filters/http/request_cluster.h"

namespace sluice::filters {
namespace {

using Proto = envoy::config::route::v3::RateLimit::Action;
using Kind = DescriptorAction::Kind;

std::string orDefault(const std::string& key, const char* fallback) { return key.empty() ? fallback : key; }

/** "10.1.0.0/16", as Envoy writes it. */
std::string masked(const net::Address& address, uint8_t ipv4_bits, uint8_t ipv6_bits) {
  const bool v4 = address.kind() == net::Address::Kind::Ipv4;
  const uint8_t bits = v4 ? ipv4_bits : ipv6_bits;
  sockaddr_storage storage{};
  const socklen_t length = address.toSockaddr(storage);
  auto* bytes = v4 ? reinterpret_cast<uint8_t*>(&reinterpret_cast<sockaddr_in*>(&storage)->sin_addr)
                   : reinterpret_cast<uint8_t*>(&reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr);
  for (size_t i = 0; i < (v4 ? 4u : 16u); ++i) {
    const int kept = std::clamp<int>(bits - static_cast<int>(i) * 8, 0, 8);
    bytes[i] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return absl::StrCat(net::Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length).ipString(), "/", bits);
}

}  // namespace

void appendEntry(DescriptorKey& descriptor, absl::string_view key, absl::string_view value) {
  for (const absl::string_view text : {key, value}) {
    const auto size = static_cast<uint32_t>(text.size());
    const char* bytes = reinterpret_cast<const char*>(&size);
    descriptor.insert(descriptor.end(), bytes, bytes + sizeof(size));
    descriptor.insert(descriptor.end(), text.begin(), text.end());
  }
}

DescriptorRule DescriptorRule::read(const envoy::config::route::v3::RateLimit& proto, const runtime::Snapshot& runtime,
                                    const config::FieldPath& path, config::Violations& violations) {
  DescriptorRule rule;
  for (int i = 0; i < proto.actions_size(); ++i) {
    const Proto& from = proto.actions(i);
    const config::FieldPath at = path.field("actions").index(i);
    DescriptorAction action;
    switch (from.action_specifier_case()) {
      case Proto::kRequestHeaders:
        action.kind = Kind::RequestHeader;
        action.key = from.request_headers().descriptor_key();
        action.text = absl::AsciiStrToLower(from.request_headers().header_name());
        action.skip_if_absent = from.request_headers().skip_if_absent();
        break;
      case Proto::kQueryParameters:
        action.kind = Kind::QueryParameter;
        action.key = from.query_parameters().descriptor_key();
        action.text = from.query_parameters().query_parameter_name();
        action.skip_if_absent = from.query_parameters().skip_if_absent();
        break;
      case Proto::kRemoteAddress:
        action.kind = Kind::RemoteAddress;
        action.key = "remote_address";
        break;
      case Proto::kMaskedRemoteAddress: {
        const auto& mask = from.masked_remote_address();
        action.kind = Kind::MaskedRemoteAddress;
        action.key = "masked_remote_address";
        action.ipv4_bits = mask.has_v4_prefix_mask_len() ? static_cast<uint8_t>(mask.v4_prefix_mask_len().value()) : 32;
        action.ipv6_bits =
            mask.has_v6_prefix_mask_len() ? static_cast<uint8_t>(mask.v6_prefix_mask_len().value()) : 128;
        break;
      }
      case Proto::kGenericKey:
        action.key = orDefault(from.generic_key().descriptor_key(), "generic_key");
        action.text = from.generic_key().descriptor_value();
        break;
      case Proto::kHeaderValueMatch:
        action.kind = Kind::HeaderValueMatch;
        action.key = orDefault(from.header_value_match().descriptor_key(), "header_match");
        action.text = from.header_value_match().descriptor_value();
        action.headers = readHeaderMatchers(from.header_value_match().headers(), runtime,
                                            at.field("header_value_match").field("headers"), violations);
        action.expect_match =
            !from.header_value_match().has_expect_match() || from.header_value_match().expect_match().value();
        break;
      case Proto::kDestinationCluster:
        action.kind = Kind::DestinationCluster;
        action.key = "destination_cluster";
        break;
      default:
        violations.add(at, "must be one of the supported actions");
        break;
    }
    rule.actions_.push_back(std::move(action));
  }
  return rule;
}

bool DescriptorRule::describe(http::StreamFilterCallbacks& callbacks, const http::HeaderMap& headers,
                              DescriptorKey& out) const {
  out.clear();
  for (const DescriptorAction& action : actions_) {
    switch (action.kind) {
      case Kind::RequestHeader:
      case Kind::QueryParameter: {
        const absl::string_view value = action.kind == Kind::QueryParameter
                                            ? http::queryParameter(headers.get(http::HeaderId::Path), action.text)
                                            : headers.get(action.text);
        if (value.data() != nullptr) {
          appendEntry(out, action.key, value);
        } else if (!action.skip_if_absent) {
          return false;
        }
        break;
      }
      case Kind::RemoteAddress:
      case Kind::MaskedRemoteAddress: {
        const net::Address& remote = callbacks.streamInfo().downstream_remote;
        if (!remote.isIp()) {
          return false;
        }
        appendEntry(out, action.key,
                    action.kind == Kind::RemoteAddress ? remote.ipString()
                                                       : masked(remote, action.ipv4_bits, action.ipv6_bits));
        break;
      }
      case Kind::GenericKey:
        appendEntry(out, action.key, action.text);
        break;
      case Kind::HeaderValueMatch:
        if (matchesAll(action.headers, headers) != action.expect_match) {
          return false;
        }
        appendEntry(out, action.key, action.text);
        break;
      case Kind::DestinationCluster: {
        const absl::string_view cluster = chosenCluster(callbacks, headers);
        if (cluster.empty()) {
          return false;
        }
        appendEntry(out, action.key, cluster);
        break;
      }
    }
  }
  return !out.empty();
}

}  // namespace sluice::filters
