#pragma once

#include "envoy/config/core/v3/protocol.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/http1_settings.h"
#include "source/http/http2_codec.h"

namespace sluice::http {

// The messages that listeners and clusters share, taken apart for codecs. On main.

/** Mistakes go to `violations` under `path`, that of `options`. */
Http1Settings toHttp1Settings(const envoy::config::core::v3::Http1ProtocolOptions& options,
                              const envoy::config::core::v3::HttpProtocolOptions& common, const config::FieldPath& path,
                              config::Violations& violations);
Http2Settings toHttp2Settings(const envoy::config::core::v3::Http2ProtocolOptions& options,
                              const envoy::config::core::v3::HttpProtocolOptions& common, const config::FieldPath& path,
                              config::Violations& violations);

}  // namespace sluice::http
