#include <algorithm>
#include <vector>

#include "source/base/assert.h"
#include "source/http/http2_session.h"

namespace sluice::http {

void Http2Session::submitSettings() {
  std::vector<nghttp2_settings_entry> entries;
  if (server_ == nullptr) {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  entries.push_back({NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, settings_.hpack_table_size});
  if (settings_.allow_connect) {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  }
  entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.max_concurrent_streams});
  entries.push_back({NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings_.initial_stream_window});
  if (settings_.max_frame_size != 0) {
    entries.push_back({NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings_.max_frame_size});
  }
  for (const auto& [id, value] : settings_.custom_settings) {
    const auto same = std::find_if(entries.begin(), entries.end(),
                                   [id = id](const nghttp2_settings_entry& entry) { return entry.settings_id == id; });
    if (same != entries.end()) {
      same->value = value;
    } else {
      entries.push_back({id, value});
    }
  }
  SLUICE_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) == 0,
               "configuration lets invalid HTTP/2 settings pass");
  if (settings_.initial_connection_window > NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE) {
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<int32_t>(settings_.initial_connection_window));
  }
}

}  // namespace sluice::http
