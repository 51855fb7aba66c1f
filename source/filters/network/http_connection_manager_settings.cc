#include "source/filters/network/http_connection_manager_settings.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.pb.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"

#include "source/config/data_source.h"
#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/http/header_mutations.h"
#include "source/http/local_reply_config.h"

namespace sluice::filters {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using Proto = hcm::HttpConnectionManager;
using std::chrono::milliseconds;

/** Unset is `fallback`; zero is none. */
std::optional<milliseconds> timeout(bool has, const google::protobuf::Duration& value,
                                    std::optional<milliseconds> fallback) {
  if (!has) {
    return fallback;
  }
  const int64_t ms = config::toMilliseconds(value);
  return ms > 0 ? std::optional(milliseconds(ms)) : std::nullopt;
}

/** An address of this machine that others can reach it by, as Envoy tells it; 127.0.0.1 when it has none. */
std::string localAddress() {
  std::string found = "127.0.0.1";
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return found;
  }
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) {
      continue;
    }
    const net::Address address = net::Address::fromSockaddr(each->ifa_addr, sizeof(sockaddr_in));
    if (!address.isLoopback()) {
      found = address.ipString();
      break;
    }
  }
  freeifaddrs(list);
  return found;
}

http::AddressRange toRange(const envoy::config::core::v3::CidrRange& proto, const config::FieldPath& path,
                           config::Violations& violations) {
  http::AddressRange out;
  absl::StatusOr<net::Address> address = net::Address::ip(proto.address_prefix(), 0);
  if (!address.ok()) {
    violations.add(path.field("address_prefix"), std::string(address.status().message()));
    return out;
  }
  out.first = *std::move(address);
  const uint32_t longest = out.first.kind() == net::Address::Kind::Ipv4 ? 32 : 128;
  out.prefix_length = std::min(proto.prefix_len().value(), longest);
  return out;
}

std::vector<http::AddressRange> toRanges(
    const google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>& protos, const config::FieldPath& path,
    config::Violations& violations) {
  std::vector<http::AddressRange> out;
  for (int i = 0; i < protos.size(); ++i) {
    out.push_back(toRange(protos[i], path.index(static_cast<size_t>(i)), violations));
  }
  return out;
}

void readOriginalIp(const Proto& proto, const config::FieldPath& path, http::RequestHeaderSettings& out,
                    config::Violations& violations) {
  namespace v3 = envoy::extensions::http::original_ip_detection;
  if (proto.original_ip_detection_extensions_size() > 0 && proto.use_remote_address().value()) {
    violations.add(path, "can't be used with use_remote_address");
  }
  if (proto.original_ip_detection_extensions_size() > 0 && proto.xff_num_trusted_hops() > 0) {
    violations.add(path, "can't be used with xff_num_trusted_hops");
  }
  for (int i = 0; i < proto.original_ip_detection_extensions_size(); ++i) {
    const auto& any = proto.original_ip_detection_extensions(i).typed_config();
    const config::FieldPath at = path.index(static_cast<size_t>(i)).field("typed_config");
    const std::string type = config::extensionTypeName(any);
    http::OriginalIpDetection how;
    if (type == v3::xff::v3::XffConfig::descriptor()->full_name()) {
      v3::xff::v3::XffConfig config;
      if (!config::unpackTo(any, config, at, violations)) {
        continue;
      }
      how.trusted_hops = config.xff_num_trusted_hops();
      how.skip_append = !config.has_skip_xff_append() || config.skip_xff_append().value();
      how.trusted_ranges =
          toRanges(config.xff_trusted_cidrs().cidrs(), at.field("xff_trusted_cidrs").field("cidrs"), violations);
      if (!how.trusted_ranges.empty() && how.trusted_hops > 0) {
        violations.add(at, "xff_num_trusted_hops and xff_trusted_cidrs exclude each other");
      }
    } else if (type == v3::custom_header::v3::CustomHeaderConfig::descriptor()->full_name()) {
      v3::custom_header::v3::CustomHeaderConfig config;
      if (!config::unpackTo(any, config, at, violations)) {
        continue;
      }
      how.kind = http::OriginalIpDetection::Kind::CustomHeader;
      how.header = absl::AsciiStrToLower(config.header_name());
      how.trust = config.allow_extension_to_set_address_as_trusted();
      if (config.has_reject_with_status()) {
        // As in Envoy: what is no error's code stands for 403.
        const auto code = static_cast<uint32_t>(config.reject_with_status().code());
        how.reject_status = code >= 400 && code < 600 ? code : 403;
      }
    } else {
      violations.add(at, absl::StrCat("there is no original IP detection of the type '", type, "'"));
      continue;
    }
    out.original_ip.push_back(std::move(how));
  }
}

void readEarlyMutations(const Proto& proto, const access_log::OperatorTable& operators, const config::FieldPath& path,
                        http::RequestHeaderSettings& out, config::Violations& violations) {
  using Mutation = envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
  for (int i = 0; i < proto.early_header_mutation_extensions_size(); ++i) {
    const auto& any = proto.early_header_mutation_extensions(i).typed_config();
    const config::FieldPath at = path.index(static_cast<size_t>(i)).field("typed_config");
    if (config::extensionTypeName(any) != Mutation::descriptor()->full_name()) {
      violations.add(
          at, absl::StrCat("there is no early header mutation of the type '", config::extensionTypeName(any), "'"));
      continue;
    }
    Mutation config;
    if (!config::unpackTo(any, config, at, violations)) {
      continue;
    }
    auto mutations = std::make_shared<http::HeaderMutations>();
    for (int j = 0; j < config.mutations_size(); ++j) {
      const config::FieldPath one = at.field("mutations").index(static_cast<size_t>(j));
      const auto& mutation = config.mutations(j);
      if (mutation.has_append()) {
        mutations->addOption(mutation.append(), operators, one.field("append"), violations);
      } else if (!mutation.remove().empty()) {
        mutations->addRemoval(mutation.remove(), one.field("remove"), violations);
      } else {
        violations.add(one, "needs append or remove");
      }
    }
    out.early_mutations.emplace_back([mutations = std::shared_ptr<const http::HeaderMutations>(std::move(mutations))](
                                         http::HeaderMap& headers, const http::StreamInfo& info) {
      mutations->apply(headers, {info, access_log::LogType::NotSet, &info});
    });
  }
}

http::RequestHeaderSettings readRequestHeaders(const Proto& proto, const access_log::OperatorTable& operators,
                                               const config::FieldPath& path, config::Violations& violations) {
  static const std::string own_address = localAddress();
  http::RequestHeaderSettings out;
  out.use_remote_address = proto.use_remote_address().value();
  out.xff_num_trusted_hops = proto.xff_num_trusted_hops();
  out.skip_xff_append = proto.skip_xff_append();
  out.append_x_forwarded_port = proto.append_x_forwarded_port();
  out.ipv4_as_mapped_ipv6 = proto.represent_ipv4_remote_address_as_ipv4_mapped_ipv6();
  out.internal_addresses.unix_sockets = proto.internal_address_config().unix_sockets();
  out.internal_addresses.ranges = toRanges(proto.internal_address_config().cidr_ranges(),
                                           path.field("internal_address_config").field("cidr_ranges"), violations);
  out.local_address = own_address;
  out.generate_request_id = !proto.has_generate_request_id() || proto.generate_request_id().value();
  out.preserve_external_request_id = proto.preserve_external_request_id();
  out.via = proto.via();
  if (!proto.scheme_header_transformation().scheme_to_overwrite().empty()) {
    out.scheme = proto.scheme_header_transformation().scheme_to_overwrite();
  }
  switch (proto.forward_client_cert_details()) {
    case Proto::FORWARD_ONLY:
      out.forward_client_cert = http::ForwardClientCert::ForwardOnly;
      break;
    case Proto::APPEND_FORWARD:
      out.forward_client_cert = http::ForwardClientCert::AppendForward;
      break;
    case Proto::SANITIZE_SET:
      out.forward_client_cert = http::ForwardClientCert::SanitizeSet;
      break;
    case Proto::ALWAYS_FORWARD_ONLY:
      out.forward_client_cert = http::ForwardClientCert::AlwaysForwardOnly;
      break;
    default:
      break;
  }
  const auto& details = proto.set_current_client_cert_details();
  out.client_cert_details = {details.subject().value(), details.cert(), details.chain(), details.dns(), details.uri()};
  out.normalize_path = proto.normalize_path().value();
  out.merge_slashes = proto.merge_slashes();
  switch (proto.path_with_escaped_slashes_action()) {
    case Proto::REJECT_REQUEST:
      out.escaped_slashes = http::EscapedSlashes::Reject;
      break;
    case Proto::UNESCAPE_AND_REDIRECT:
      out.escaped_slashes = http::EscapedSlashes::UnescapeAndRedirect;
      break;
    case Proto::UNESCAPE_AND_FORWARD:
      out.escaped_slashes = http::EscapedSlashes::UnescapeAndForward;
      break;
    default:
      break;
  }
  if (proto.strip_matching_host_port() && proto.strip_any_host_port()) {
    violations.add(path.field("strip_matching_host_port"), "excludes strip_any_host_port");
  }
  out.strip_port = proto.strip_any_host_port()        ? http::StripPort::Any
                   : proto.strip_matching_host_port() ? http::StripPort::Matching
                                                      : http::StripPort::None;
  out.strip_trailing_host_dot = proto.strip_trailing_host_dot();
  readOriginalIp(proto, path.field("original_ip_detection_extensions"), out, violations);
  readEarlyMutations(proto, operators, path.field("early_header_mutation_extensions"), out, violations);
  return out;
}

std::shared_ptr<const http::LocalReplyConfig> readLocalReplies(const hcm::LocalReplyConfig& proto,
                                                               const access_log::OperatorTable& operators,
                                                               const access_log::LogFilterFactory& filters,
                                                               const config::FieldPath& path,
                                                               config::Violations& violations) {
  std::vector<http::LocalReplyMapper> mappers;
  for (int i = 0; i < proto.mappers_size(); ++i) {
    const hcm::ResponseMapper& from = proto.mappers(i);
    const config::FieldPath at = path.field("mappers").index(static_cast<size_t>(i));
    http::LocalReplyMapper& mapper = mappers.emplace_back();
    mapper.filter = filters.create(from.filter(), at.field("filter"), violations);
    if (from.has_status_code()) {
      mapper.status = from.status_code().value();
    }
    if (from.has_body()) {
      mapper.body = config::readDataSource(from.body(), at.field("body"), violations);
    }
    if (from.has_body_format_override()) {
      mapper.format = access_log::LineFormat::create(from.body_format_override(), operators,
                                                     at.field("body_format_override"), violations);
    }
    if (from.headers_to_add_size() > 0) {
      auto mutations = std::make_shared<http::HeaderMutations>();
      for (int j = 0; j < from.headers_to_add_size(); ++j) {
        mutations->addOption(from.headers_to_add(j), operators,
                             at.field("headers_to_add").index(static_cast<size_t>(j)), violations);
      }
      mapper.add_headers = [mutations = std::shared_ptr<const http::HeaderMutations>(std::move(mutations))](
                               http::HeaderMap& headers, const http::StreamInfo& info) {
        mutations->apply(headers, {info, access_log::LogType::NotSet, &info});
      };
    }
  }
  std::optional<access_log::LineFormat> format;
  if (proto.has_body_format()) {
    format = access_log::LineFormat::create(proto.body_format(), operators, path.field("body_format"), violations);
  }
  return std::make_shared<const http::LocalReplyConfig>(std::move(mappers), std::move(format));
}

}  // namespace

http::ConnectionManagerSettings readConnectionManager(const Proto& proto, const access_log::OperatorTable& operators,
                                                      const access_log::LogFilterFactory& log_filters,
                                                      const config::FieldPath& path, config::Violations& violations) {
  http::ConnectionManagerSettings out;
  switch (proto.codec_type()) {
    case Proto::HTTP1:
      out.codec = http::CodecType::Http1;
      break;
    case Proto::HTTP2:
      out.codec = http::CodecType::Http2;
      break;
    case Proto::HTTP3:
      violations.add(path.field("codec_type"), "there is no HTTP/3");
      break;
    default:
      break;
  }
  out.stat_prefix = proto.stat_prefix();
  out.request = readRequestHeaders(proto, operators, path, violations);
  if (!proto.server_name().empty()) {
    out.server_name = proto.server_name();
  }
  switch (proto.server_header_transformation()) {
    case Proto::APPEND_IF_ABSENT:
      out.server_header = http::ServerHeader::AppendIfAbsent;
      break;
    case Proto::PASS_THROUGH:
      out.server_header = http::ServerHeader::PassThrough;
      break;
    default:
      break;
  }
  out.always_set_request_id_in_response = proto.always_set_request_id_in_response();
  out.proxy_100_continue = proto.proxy_100_continue();
  out.stream_error_on_invalid_message = proto.stream_error_on_invalid_http_message().value();

  out.request_timeout = timeout(proto.has_request_timeout(), proto.request_timeout(), {});
  out.request_headers_timeout = timeout(proto.has_request_headers_timeout(), proto.request_headers_timeout(), {});
  out.stream_idle_timeout =
      timeout(proto.has_stream_idle_timeout(), proto.stream_idle_timeout(), std::chrono::minutes(5));
  const auto& common = proto.common_http_protocol_options();
  out.idle_timeout = timeout(common.has_idle_timeout(), common.idle_timeout(), std::chrono::hours(1));
  out.max_connection_duration = timeout(common.has_max_connection_duration(), common.max_connection_duration(), {});
  out.max_stream_duration = timeout(common.has_max_stream_duration(), common.max_stream_duration(), {});
  out.max_requests_per_connection = common.max_requests_per_connection().value();
  out.drain_timeout = milliseconds(config::durationOr(proto.has_drain_timeout(), proto.drain_timeout(), 5000));
  out.delayed_close_timeout =
      milliseconds(config::durationOr(proto.has_delayed_close_timeout(), proto.delayed_close_timeout(), 1000));
  out.http1_safe_max_connection_duration = proto.http1_safe_max_connection_duration();

  if (proto.has_request_id_extension()) {
    const auto& any = proto.request_id_extension().typed_config();
    if (config::extensionTypeName(any) !=
        envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig::descriptor()->full_name()) {
      violations.add(path.field("request_id_extension").field("typed_config"), "request ids are UUIDs");
    }
  }
  if (proto.has_local_reply_config()) {
    out.local_replies = readLocalReplies(proto.local_reply_config(), operators, log_filters,
                                         path.field("local_reply_config"), violations);
  }
  const auto& logging = proto.access_log_options();
  out.log_on_new_request = logging.flush_access_log_on_new_request();
  out.log_on_tunnel_established = logging.flush_log_on_tunnel_successfully_established();
  out.log_interval = timeout(logging.has_access_log_flush_interval(), logging.access_log_flush_interval(), {});
  return out;
}

}  // namespace sluice::filters
