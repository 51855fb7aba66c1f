#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/access_log/line_format.h"
#include "source/access_log/log_filter.h"
#include "source/http/header_map.h"
#include "source/http/stream_info.h"

namespace sluice::http {

/** What a local reply is turned into, where its filter matches. */
struct LocalReplyMapper {
  access_log::LogFilterPtr filter;
  std::optional<uint32_t> status;
  std::optional<std::string> body;
  /** Null when there is nothing to add. */
  std::function<void(HeaderMap&, const StreamInfo&)> add_headers;
  std::optional<access_log::LineFormat> format;
};

/** local_reply_config. Made on main, immutable, shared; rewrite() on any worker. */
class LocalReplyConfig {
 public:
  /** Without a format bodies stay as they are. */
  LocalReplyConfig(std::vector<LocalReplyMapper> mappers, std::optional<access_log::LineFormat> format)
      : mappers_(std::move(mappers)), format_(std::move(format)) {}

  /** The first mapper that matches counts. `content_type` lives as long as this. */
  void rewrite(HeaderMap& headers, StreamInfo& info, uint32_t& status, std::string& body,
               absl::string_view& content_type) const;

 private:
  const std::vector<LocalReplyMapper> mappers_;
  const std::optional<access_log::LineFormat> format_;
};

}  // namespace sluice::http
