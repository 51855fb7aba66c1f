#include "source/filters/access_loggers/grpc_log_entry.h"

#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "google/protobuf/wrappers.pb.h"

#include "source/access_log/operators.h"
#include "source/filters/common/check_request.h"
#include "source/filters/common/proto_address.h"
#include "source/http/route.h"
#include "source/http/stream_info.h"

namespace sluice::filters {
namespace {

using access_log::LogContext;
using envoy::data::accesslog::v3::AccessLogCommon;
using http::HeaderId;
using http::HeaderMap;
namespace flag = net::response_flag;

void setDuration(std::chrono::nanoseconds time, google::protobuf::Duration& out) {
  const int64_t count = std::max<int64_t>(0, time.count());
  out.set_seconds(count / 1'000'000'000);
  out.set_nanos(static_cast<int32_t>(count % 1'000'000'000));
}

void fillFlags(uint64_t flags, envoy::data::accesslog::v3::ResponseFlags& out) {
  using Flags = envoy::data::accesslog::v3::ResponseFlags;
  static constexpr struct {
    uint64_t bit;
    void (Flags::*set)(bool);
  } kFlags[] = {
      {flag::kFailedLocalHealthCheck, &Flags::set_failed_local_healthcheck},
      {flag::kNoHealthyUpstream, &Flags::set_no_healthy_upstream},
      {flag::kUpstreamRequestTimeout, &Flags::set_upstream_request_timeout},
      {flag::kLocalReset, &Flags::set_local_reset},
      {flag::kUpstreamRemoteReset, &Flags::set_upstream_remote_reset},
      {flag::kUpstreamConnectionFailure, &Flags::set_upstream_connection_failure},
      {flag::kUpstreamConnectionTermination, &Flags::set_upstream_connection_termination},
      {flag::kUpstreamOverflow, &Flags::set_upstream_overflow},
      {flag::kNoRouteFound, &Flags::set_no_route_found},
      {flag::kDelayInjected, &Flags::set_delay_injected},
      {flag::kFaultInjected, &Flags::set_fault_injected},
      {flag::kRateLimited, &Flags::set_rate_limited},
      {flag::kRateLimitServiceError, &Flags::set_rate_limit_service_error},
      {flag::kDownstreamConnectionTermination, &Flags::set_downstream_connection_termination},
      {flag::kUpstreamRetryLimitExceeded, &Flags::set_upstream_retry_limit_exceeded},
      {flag::kStreamIdleTimeout, &Flags::set_stream_idle_timeout},
      {flag::kInvalidRequestHeaders, &Flags::set_invalid_envoy_request_headers},
      {flag::kDownstreamProtocolError, &Flags::set_downstream_protocol_error},
      {flag::kUpstreamMaxStreamDuration, &Flags::set_upstream_max_stream_duration_reached},
      {flag::kResponseFromCache, &Flags::set_response_from_cache_filter},
      {flag::kNoFilterConfigFound, &Flags::set_no_filter_config_found},
      {flag::kDurationTimeout, &Flags::set_duration_timeout},
      {flag::kUpstreamProtocolError, &Flags::set_upstream_protocol_error},
      {flag::kNoClusterFound, &Flags::set_no_cluster_found},
      {flag::kOverloadManagerTerminated, &Flags::set_overload_manager},
      {flag::kDownstreamRemoteReset, &Flags::set_downstream_remote_reset},
  };
  for (const auto& each : kFlags) {
    if ((flags & each.bit) != 0) {
      (out.*each.set)(true);
    }
  }
  if ((flags & flag::kUnauthorizedExternalService) != 0) {
    out.mutable_unauthorized_details()->set_reason(Flags::Unauthorized::EXTERNAL_SERVICE);
  }
}

void fillCertificate(const net::CertificateDetails& certificate,
                     envoy::data::accesslog::v3::TLSProperties::CertificateProperties& out) {
  for (const std::string& uri : certificate.uri_sans) {
    out.add_subject_alt_name()->set_uri(asUtf8(uri));
  }
  for (const std::string& name : certificate.dns_sans) {
    out.add_subject_alt_name()->set_dns(asUtf8(name));
  }
  out.set_subject(asUtf8(certificate.subject));
  out.set_issuer(asUtf8(certificate.issuer));
}

void fillTls(const net::StreamInfo& info, envoy::data::accesslog::v3::TLSProperties& out) {
  using Tls = envoy::data::accesslog::v3::TLSProperties;
  const net::TlsInfo& tls = *info.downstream_tls;
  const absl::string_view version = tls.version();
  out.set_tls_version(version == "TLSv1.3"   ? Tls::TLSv1_3
                      : version == "TLSv1.2" ? Tls::TLSv1_2
                      : version == "TLSv1.1" ? Tls::TLSv1_1
                      : version == "TLSv1"   ? Tls::TLSv1
                                             : Tls::VERSION_UNSPECIFIED);
  out.mutable_tls_cipher_suite()->set_value(tls.cipherId());
  out.set_tls_session_id(std::string(tls.sessionId()));
  out.set_tls_sni_hostname(asUtf8(info.requestedServerName()));
  if (info.connection().extras != nullptr) {
    out.set_ja3_fingerprint(info.connection().extras->ja3);
  }
  if (const net::CertificateDetails* const local = tls.local(); local != nullptr) {
    fillCertificate(*local, *out.mutable_local_certificate_properties());
    out.mutable_local_certificate_properties()->clear_issuer();
  }
  if (const net::CertificateDetails* const peer = tls.peer(); peer != nullptr) {
    fillCertificate(*peer, *out.mutable_peer_certificate_properties());
  }
}

void fillUpstream(const net::UpstreamInfo& upstream, AccessLogCommon& out) {
  if (upstream.host.kind() != net::Address::Kind::None) {
    toProto(upstream.host, *out.mutable_upstream_remote_address());
  }
  if (upstream.local.kind() != net::Address::Kind::None) {
    toProto(upstream.local, *out.mutable_upstream_local_address());
  }
  if (upstream.cluster_alt_stat_name != nullptr) {
    out.set_upstream_cluster(*upstream.cluster_alt_stat_name);
  } else if (upstream.cluster_name != nullptr) {
    out.set_upstream_cluster(*upstream.cluster_name);
  }
  out.set_upstream_transport_failure_reason(asUtf8(upstream.transport_failure_reason));
  out.set_upstream_request_attempt_count(upstream.attempts);
  out.set_upstream_wire_bytes_sent(upstream.bytes_sent);
  out.set_upstream_wire_bytes_received(upstream.bytes_received);
}

void fillTimes(const http::StreamInfo& info, AccessLogCommon& out) {
  using Time = std::optional<base::MonotonicTime>;
  const auto put = [&info](const Time& time, auto&& mutable_field) {
    if (time.has_value()) {
      setDuration(*time - info.start_monotonic, mutable_field());
    }
  };
  put(info.last_downstream_rx_byte, [&]() -> auto& { return *out.mutable_time_to_last_rx_byte(); });
  put(info.first_upstream_tx_byte, [&]() -> auto& { return *out.mutable_time_to_first_upstream_tx_byte(); });
  put(info.last_upstream_tx_byte, [&]() -> auto& { return *out.mutable_time_to_last_upstream_tx_byte(); });
  put(info.first_upstream_rx_byte, [&]() -> auto& { return *out.mutable_time_to_first_upstream_rx_byte(); });
  put(info.last_upstream_rx_byte, [&]() -> auto& { return *out.mutable_time_to_last_upstream_rx_byte(); });
  put(info.first_downstream_tx_byte, [&]() -> auto& { return *out.mutable_time_to_first_downstream_tx_byte(); });
  put(info.last_downstream_tx_byte, [&]() -> auto& { return *out.mutable_time_to_last_downstream_tx_byte(); });
}

void fillStream(const http::StreamInfo& info, AccessLogCommon& out) {
  fillTimes(info, out);
  if (info.route != nullptr) {
    out.set_route_name(info.route->name);
  }
  out.set_upstream_request_attempt_count(info.attempt_count);
  out.set_downstream_wire_bytes_sent(info.downstream_wire_bytes_sent);
  out.set_downstream_wire_bytes_received(info.downstream_wire_bytes_received);
  out.set_upstream_wire_bytes_sent(info.upstream_wire_bytes_sent);
  out.set_upstream_wire_bytes_received(info.upstream_wire_bytes_received);
}

void fillTags(const LogContext& context, const GrpcLogFields& fields, AccessLogCommon& out) {
  for (const GrpcLogFields::Tag& tag : fields.tags) {
    absl::string_view value = tag.value;
    if (tag.kind == GrpcLogFields::Tag::Kind::RequestHeader && context.http != nullptr &&
        context.http->request_headers != nullptr) {
      const http::Header* const header = context.http->request_headers->find(tag.header);
      value = header == nullptr ? value : header->value;
    }
    if (!value.empty()) {
      (*out.mutable_custom_tags())[tag.tag] = asUtf8(value);
    }
  }
}

void fillCommon(const LogContext& context, const GrpcLogFields& fields, AccessLogCommon& out) {
  const net::StreamInfo& info = context.info;
  toProto(info.downstream_remote, *out.mutable_downstream_remote_address());
  toProto(info.downstream_direct_remote, *out.mutable_downstream_direct_remote_address());
  toProto(info.downstream_local, *out.mutable_downstream_local_address());
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::nanoseconds>(info.start_time.time_since_epoch()).count();
  out.mutable_start_time()->set_seconds(since_epoch / 1'000'000'000);
  out.mutable_start_time()->set_nanos(static_cast<int32_t>(since_epoch % 1'000'000'000));
  const base::MonotonicTime end = info.end_monotonic.value_or(std::chrono::steady_clock::now());
  setDuration(end - info.start_monotonic, *out.mutable_duration());
  if (info.extras != nullptr && info.extras->metadata != nullptr) {
    *out.mutable_metadata() = *info.extras->metadata;
  }
  for (const std::string& key : fields.filter_state_objects) {
    if (const net::FilterState::Object* object = info.filterState(key); object != nullptr) {
      google::protobuf::StringValue text;
      text.set_value(asUtf8(object->serialize()));
      (*out.mutable_filter_state_objects())[key].PackFrom(text);
    }
  }
  if (info.downstream_tls != nullptr) {
    fillTls(info, *out.mutable_tls_properties());
  }
  if (info.upstream != nullptr) {
    fillUpstream(*info.upstream, out);
  }
  if (context.http != nullptr) {
    fillStream(*context.http, out);
  } else {
    out.set_downstream_wire_bytes_sent(info.bytes_sent);
    out.set_downstream_wire_bytes_received(info.bytes_received);
  }
  if (info.response_flags != 0) {
    fillFlags(info.response_flags, *out.mutable_response_flags());
  }
  if (info.connection_termination_details != nullptr) {
    out.set_connection_termination_details(info.connection_termination_details);
  }
  if (const auto& extras = info.connection().extras; extras != nullptr) {
    out.set_downstream_transport_failure_reason(asUtf8(extras->transport_failure_reason));
  }
  if (context.http != nullptr && !context.http->request_id.empty()) {
    out.set_stream_id(asUtf8(context.http->request_id));
  } else {
    access_log::appendStreamUuid(info, *out.mutable_stream_id());
  }
  envoy::data::accesslog::v3::AccessLogType type;
  if (envoy::data::accesslog::v3::AccessLogType_Parse(std::string(access_log::logTypeName(context.type)), &type)) {
    out.set_access_log_type(type);
  }
  fillTags(context, fields, out);
}

/** All values of each name that is there, with commas between. */
void copyHeaders(const HeaderMap* headers, const std::vector<std::string>& names,
                 google::protobuf::Map<std::string, std::string>& out) {
  for (const std::string& name : names) {
    const http::Header* header = headers == nullptr ? nullptr : headers->find(name);
    if (header == nullptr) {
      continue;
    }
    std::string all(header->value);
    while ((header = headers->next(*header)) != nullptr) {
      absl::StrAppend(&all, ",", header->value);
    }
    out[name] = asUtf8(all);
  }
}

void fillRequest(const http::StreamInfo& info, const GrpcLogFields& fields,
                 envoy::data::accesslog::v3::HTTPRequestProperties& out) {
  out.set_request_body_bytes(info.bytes_received);
  out.set_upstream_header_bytes_sent(info.upstream_header_bytes_sent);
  out.set_downstream_header_bytes_received(info.downstream_header_bytes_received);
  if (info.request_headers == nullptr) {
    return;
  }
  const HeaderMap& headers = *info.request_headers;
  const auto text = [&headers](HeaderId id) { return asUtf8(headers.get(id)); };
  envoy::config::core::v3::RequestMethod method;
  if (envoy::config::core::v3::RequestMethod_Parse(text(HeaderId::Method), &method)) {
    out.set_request_method(method);
  }
  out.set_scheme(text(HeaderId::Scheme));
  out.set_authority(text(HeaderId::Authority));
  out.set_path(text(HeaderId::Path));
  out.set_user_agent(text(HeaderId::UserAgent));
  out.set_referer(text(HeaderId::Referer));
  out.set_forwarded_for(text(HeaderId::ForwardedFor));
  out.set_request_id(text(HeaderId::RequestId));
  out.set_original_path(text(HeaderId::EnvoyOriginalPath));
  out.set_request_headers_bytes(headers.byteSize());
  copyHeaders(&headers, fields.request_headers, *out.mutable_request_headers());
}

void fillResponse(const http::StreamInfo& info, const GrpcLogFields& fields,
                  envoy::data::accesslog::v3::HTTPResponseProperties& out) {
  if (info.response_code != 0) {
    out.mutable_response_code()->set_value(info.response_code);
  }
  out.set_response_code_details(asUtf8(info.details));
  out.set_response_body_bytes(info.bytes_sent);
  out.set_upstream_header_bytes_received(info.upstream_header_bytes_received);
  out.set_downstream_header_bytes_sent(info.downstream_header_bytes_sent);
  if (info.response_headers != nullptr) {
    out.set_response_headers_bytes(info.response_headers->byteSize());
  }
  copyHeaders(info.response_headers, fields.response_headers, *out.mutable_response_headers());
  copyHeaders(info.response_trailers, fields.response_trailers, *out.mutable_response_trailers());
}

}  // namespace

envoy::data::accesslog::v3::HTTPAccessLogEntry makeHttpEntry(const LogContext& context, const GrpcLogFields& fields) {
  using Entry = envoy::data::accesslog::v3::HTTPAccessLogEntry;
  Entry entry;
  fillCommon(context, fields, *entry.mutable_common_properties());
  if (context.http == nullptr) {
    return entry;
  }
  switch (context.http->protocol) {
    case http::Protocol::Http10:
      entry.set_protocol_version(Entry::HTTP10);
      break;
    case http::Protocol::Http11:
      entry.set_protocol_version(Entry::HTTP11);
      break;
    case http::Protocol::Http2:
      entry.set_protocol_version(Entry::HTTP2);
      break;
  }
  fillRequest(*context.http, fields, *entry.mutable_request());
  fillResponse(*context.http, fields, *entry.mutable_response());
  return entry;
}

envoy::data::accesslog::v3::TCPAccessLogEntry makeTcpEntry(const LogContext& context, const GrpcLogFields& fields) {
  envoy::data::accesslog::v3::TCPAccessLogEntry entry;
  fillCommon(context, fields, *entry.mutable_common_properties());
  entry.mutable_connection_properties()->set_received_bytes(context.info.bytes_received);
  entry.mutable_connection_properties()->set_sent_bytes(context.info.bytes_sent);
  return entry;
}

}  // namespace sluice::filters
