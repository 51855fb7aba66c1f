#pragma once

#include <chrono>

#include "source/http/header_map.h"
#include "source/http/route.h"

namespace sluice::filters {

/** The times that one request is given. Zero: no limit. */
struct RouteTimeouts {
  std::chrono::milliseconds global{0};
  std::chrono::milliseconds per_try{0};
  std::chrono::milliseconds per_try_idle{0};
  bool hedge_on_per_try = false;

  /**
   * The route's, with what the request's x-envoy-upstream-rq-* and grpc-timeout headers say over it; takes these headers
   * out of the request and puts x-envoy-expected-rq-timeout-ms in, unless `suppress_envoy_headers`. With
   * `respect_expected` the expected timeout that a proxy before us has set is taken for the route's.
   */
  static RouteTimeouts of(const http::ForwardAction& action, http::HeaderMap& request, bool grpc,
                          bool suppress_envoy_headers, bool respect_expected);

  /** What an attempt that begins `elapsed` after the request is to be told to expect. */
  void writeExpected(http::HeaderMap& request, std::chrono::milliseconds elapsed) const;
};

/** A grpc-timeout header's value ("100m"); none where it is missing or malformed. */
std::optional<std::chrono::milliseconds> grpcTimeout(const http::HeaderMap& request);

}  // namespace sluice::filters
