#pragma once

#include <string>
#include <vector>

#include "envoy/data/accesslog/v3/accesslog.pb.h"

#include "source/access_log/logger.h"
#include "source/http/header_map.h"

namespace sluice::filters {

/** What a log takes of an event beyond what every entry has. */
struct GrpcLogFields {
  std::vector<std::string> filter_state_objects;
  /** Names in lower case. */
  std::vector<std::string> request_headers;
  std::vector<std::string> response_headers;
  std::vector<std::string> response_trailers;

  struct Tag {
    enum class Kind : uint8_t { Literal, RequestHeader };
    std::string tag;
    Kind kind = Kind::Literal;
    /** The text, or what stands for a header that is missing. */
    std::string value;
    std::string header;
  };
  std::vector<Tag> tags;
};

/** As Envoy fills them: what is not known is left out; texts that are not UTF-8 have '!' for each bad byte. */
envoy::data::accesslog::v3::HTTPAccessLogEntry makeHttpEntry(const access_log::LogContext& context,
                                                             const GrpcLogFields& fields);
envoy::data::accesslog::v3::TCPAccessLogEntry makeTcpEntry(const access_log::LogContext& context,
                                                           const GrpcLogFields& fields);

}  // namespace sluice::filters
