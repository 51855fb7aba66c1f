#include "source/http/local_reply_config.h"

namespace sluice::http {

void LocalReplyConfig::rewrite(HeaderMap& headers, StreamInfo& info, uint32_t& status, std::string& body,
                               absl::string_view& content_type) const {
  info.response_headers = &headers;
  const access_log::LineFormat* format = format_.has_value() ? &*format_ : nullptr;
  for (const LocalReplyMapper& mapper : mappers_) {
    if (!mapper.filter->matches({info, access_log::LogType::NotSet, &info})) {
      continue;
    }
    if (mapper.body.has_value()) {
      body = *mapper.body;
    }
    if (mapper.add_headers) {
      mapper.add_headers(headers, info);
    }
    if (mapper.status.has_value() && *mapper.status != status) {
      status = *mapper.status;
      headers.setNumber(HeaderId::Status, status);
      info.response_code = status;
    }
    if (mapper.format.has_value()) {
      format = &*mapper.format;
    }
    break;
  }
  if (format != nullptr) {
    std::string formatted;
    format->append({info, access_log::LogType::NotSet, &info, body}, formatted);
    body = std::move(formatted);
    content_type = format->contentType();
  }
}

}  // namespace sluice::http
