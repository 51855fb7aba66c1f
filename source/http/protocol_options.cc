#include "source/http/protocol_options.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.pb.h"

#include "source/config/duration.h"
#include "source/config/type_registry.h"

namespace sluice::http {

namespace {

namespace core = envoy::config::core::v3;
using config::FieldPath;
using config::Violations;

std::chrono::milliseconds toMilliseconds(const google::protobuf::Duration& duration) {
  return std::chrono::milliseconds(config::toMilliseconds(duration));
}

HeaderCase toHeaderCase(const core::Http1ProtocolOptions::HeaderKeyFormat& format, const FieldPath& path,
                        Violations& violations) {
  if (format.has_proper_case_words()) {
    return HeaderCase::Proper;
  }
  if (format.has_stateful_formatter()) {
    const std::string type = config::extensionTypeName(format.stateful_formatter().typed_config());
    using envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
    if (type == PreserveCaseFormatterConfig::descriptor()->full_name()) {
      return HeaderCase::Preserve;
    }
    violations.add(path.field("stateful_formatter").field("typed_config"),
                   absl::StrCat("there is no header formatter of the type '", type, "'"));
  }
  return HeaderCase::Lower;
}

void setNumber(uint32_t& to, bool has, const google::protobuf::UInt32Value& value) {
  if (has) {
    to = value.value();
  }
}

/** One that our own SETTINGS carry already is refused where it says something else, as in Envoy. */
void readCustomSettings(const core::Http2ProtocolOptions& options, const FieldPath& path, Http2Settings& settings,
                        Violations& violations) {
  std::set<uint32_t> seen;
  for (int i = 0; i < options.custom_settings_parameters_size(); ++i) {
    const auto& parameter = options.custom_settings_parameters(i);
    const FieldPath at = path.field("custom_settings_parameters").index(i);
    if (parameter.identifier().value() > 65535) {
      violations.add(at.field("identifier"), absl::StrCat(parameter.identifier().value(), " is above 65535"));
      continue;
    }
    if (!seen.insert(parameter.identifier().value()).second) {
      violations.add(at.field("identifier"), absl::StrCat(parameter.identifier().value(), " is there twice"));
      continue;
    }
    settings.custom_settings.emplace_back(static_cast<uint16_t>(parameter.identifier().value()),
                                          parameter.value().value());
  }
}

}  // namespace

Http1Settings toHttp1Settings(const core::Http1ProtocolOptions& options, const core::HttpProtocolOptions& common,
                              const FieldPath& path, Violations& violations) {
  Http1Settings settings;
  settings.allow_absolute_url = !options.has_allow_absolute_url() || options.allow_absolute_url().value();
  settings.accept_http_10 = options.accept_http_10();
  settings.default_host = options.default_host_for_http_10();
  settings.enable_trailers = options.enable_trailers();
  settings.allow_chunked_length = options.allow_chunked_length();
  settings.stream_error_on_invalid_http_message = options.override_stream_error_on_invalid_http_message().value();
  settings.send_fully_qualified_url = options.send_fully_qualified_url();
  settings.header_case = toHeaderCase(options.header_key_format(), path.field("header_key_format"), violations);
  switch (common.headers_with_underscores_action()) {
    case core::HttpProtocolOptions::REJECT_REQUEST:
      settings.underscores = UnderscoreAction::Reject;
      break;
    case core::HttpProtocolOptions::DROP_HEADER:
      settings.underscores = UnderscoreAction::Drop;
      break;
    default:
      break;
  }
  setNumber(settings.max_headers_count, common.has_max_headers_count(), common.max_headers_count());
  setNumber(settings.max_headers_kb, common.has_max_response_headers_kb(), common.max_response_headers_kb());
  return settings;
}

Http2Settings toHttp2Settings(const core::Http2ProtocolOptions& options, const core::HttpProtocolOptions& common,
                              const FieldPath& path, Violations& violations) {
  Http2Settings settings;
  setNumber(settings.hpack_table_size, options.has_hpack_table_size(), options.hpack_table_size());
  setNumber(settings.max_concurrent_streams, options.has_max_concurrent_streams(), options.max_concurrent_streams());
  setNumber(settings.initial_stream_window, options.has_initial_stream_window_size(),
            options.initial_stream_window_size());
  setNumber(settings.initial_connection_window, options.has_initial_connection_window_size(),
            options.initial_connection_window_size());
  settings.allow_connect = options.allow_connect();
  settings.stream_error_on_invalid_http_message = options.has_override_stream_error_on_invalid_http_message()
                                                      ? options.override_stream_error_on_invalid_http_message().value()
                                                      : options.stream_error_on_invalid_http_messaging();
  setNumber(settings.max_outbound_frames, options.has_max_outbound_frames(), options.max_outbound_frames());
  setNumber(settings.max_outbound_control_frames, options.has_max_outbound_control_frames(),
            options.max_outbound_control_frames());
  setNumber(settings.max_consecutive_inbound_frames_with_empty_payload,
            options.has_max_consecutive_inbound_frames_with_empty_payload(),
            options.max_consecutive_inbound_frames_with_empty_payload());
  setNumber(settings.max_inbound_priority_frames_per_stream, options.has_max_inbound_priority_frames_per_stream(),
            options.max_inbound_priority_frames_per_stream());
  setNumber(settings.max_inbound_window_update_frames_per_data_frame_sent,
            options.has_max_inbound_window_update_frames_per_data_frame_sent(),
            options.max_inbound_window_update_frames_per_data_frame_sent());
  readCustomSettings(options, path, settings, violations);
  if (options.has_connection_keepalive()) {
    const auto& keepalive = options.connection_keepalive();
    settings.keepalive_interval = toMilliseconds(keepalive.interval());
    settings.keepalive_timeout = toMilliseconds(keepalive.timeout());
    if (keepalive.has_interval_jitter()) {
      settings.keepalive_jitter_percent =
          static_cast<uint32_t>(std::clamp(keepalive.interval_jitter().value(), 0.0, 100.0));
    }
    settings.keepalive_idle_interval = toMilliseconds(keepalive.connection_idle_interval());
  }
  switch (common.headers_with_underscores_action()) {
    case core::HttpProtocolOptions::REJECT_REQUEST:
      settings.underscores = UnderscorePolicy::RejectRequest;
      break;
    case core::HttpProtocolOptions::DROP_HEADER:
      settings.underscores = UnderscorePolicy::DropHeader;
      break;
    default:
      break;
  }
  setNumber(settings.max_headers_count, common.has_max_headers_count(), common.max_headers_count());
  setNumber(settings.max_headers_kb, common.has_max_response_headers_kb(), common.max_response_headers_kb());
  return settings;
}

}  // namespace sluice::http
