#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "source/access_log/format.h"
#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/header_map.h"

namespace envoy::config::core::v3 {
class GrpcService;
class RetryPolicy;
}  // namespace envoy::config::core::v3

namespace sluice::grpc {

/** When a call is made again. */
struct RetrySettings {
  uint32_t max_retries = 0;
  bool on_connect_failure = false;
  bool on_reset = false;
  bool on_refused_stream = false;
  bool on_5xx = false;
  bool on_gateway_error = false;
  /** Bit n: gRPC's status n. */
  uint32_t on_grpc_codes = 0;
  /** Drawn evenly below an interval that doubles from `base` to `max`. */
  std::chrono::milliseconds base{25};
  std::chrono::milliseconds max{250};

  /** Mistakes go to `violations`. */
  static RetrySettings create(const envoy::config::core::v3::RetryPolicy& config, const config::FieldPath& path,
                              config::Violations& violations);
};

/** A gRPC service as GrpcService names it, as plain data: made on main, shared by all workers. */
struct ServiceConfig {
  std::string cluster;
  /** :authority; the cluster's name where none is configured. */
  std::string authority;
  /** Of the whole call; none where none is configured. */
  std::optional<std::chrono::milliseconds> timeout;
  uint64_t max_message_bytes = kDefaultMaxMessageBytes;
  /** x-envoy-internal and x-forwarded-for are sent. */
  bool envoy_headers = true;
  struct Metadata {
    std::string name;
    access_log::Format value;
  };
  std::vector<Metadata> initial_metadata;
  RetrySettings retry;

  static constexpr uint64_t kDefaultMaxMessageBytes = 64 * 1024 * 1024;

  /** Null with a violation. */
  static std::optional<ServiceConfig> create(const envoy::config::core::v3::GrpcService& config,
                                             const access_log::OperatorTable& operators, const config::FieldPath& path,
                                             config::Violations& violations);

  /**
   * Fills in a request's headers for a call of `path` ("/package.Service/Method"). `parent`: what initial_metadata is
   * about; null for a call that no request or connection asked for.
   */
  void fillHeaders(absl::string_view path, const access_log::LogContext* parent, http::HeaderMap& headers) const;
};

}  // namespace sluice::grpc
