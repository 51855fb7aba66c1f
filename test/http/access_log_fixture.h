#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "envoy/config/core/v3/base.pb.h"

#include "source/access_log/logger.h"
#include "source/http/header_map.h"
#include "source/http/route.h"
#include "source/http/stream_info.h"

namespace sluice::test {

/** A request that was answered, as access logs see it. */
struct LoggedRequest {
  LoggedRequest() {
    using std::chrono::microseconds;
    request.add(":method", "GET");
    request.add(":path", "/up/x?a=%41%2f%20b+c&c&e=1");
    request.add(":authority", "example.com:80");
    request.add("x-many", "one");
    request.add("x-many", "two");
    request.add("x-empty", "");
    response.add(":status", "200");
    response.add("content-type", "text/plain");
    trailers.add("x-trailer", "last");
    info.start_monotonic = base::MonotonicTime(std::chrono::seconds(10));
    info.end_monotonic = info.start_monotonic + microseconds(9500);
    info.protocol = http::Protocol::Http2;
    info.response_code = 200;
    info.details = "via upstream";
    info.request_id = "2f7708bb-db19-41af-ba41-aa96ee9fe52c";
    info.request_headers = &request;
    info.response_headers = &response;
    info.response_trailers = &trailers;
    info.attempt_count = 2;
    info.bytes_sent = 3;
    info.downstream_wire_bytes_sent = 169;
    info.last_downstream_rx_byte = info.start_monotonic + microseconds(1200);
    info.last_upstream_tx_byte = info.start_monotonic + microseconds(2300);
    info.first_upstream_rx_byte = info.start_monotonic + microseconds(5400);
    info.last_downstream_tx_byte = info.start_monotonic + microseconds(9500);
  }

  access_log::LogContext context(access_log::LogType type = access_log::LogType::DownstreamEnd) const {
    return {info, type, &info};
  }

  base::Arena arena;
  http::HeaderMap request{arena};
  http::HeaderMap response{arena};
  http::HeaderMap trailers{arena};
  http::StreamInfo info;
};

}  // namespace sluice::test
