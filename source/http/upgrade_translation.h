#pragma once

#include "absl/strings/string_view.h"

#include "source/http/header_map.h"

namespace sluice::http {

// Upgrades as HTTP/1 writes them (`Upgrade: websocket`, 101) and as HTTP/2 does (`:method: CONNECT` with `:protocol`,
// 200: RFC 8441). Inside the program they are always HTTP/1's; HTTP/2 codecs translate at the wire.

/** What an HTTP/2 codec writes in place of a map's own fields. Views into the map, or static. */
struct Http2Upgrade {
  /** Of a request that asks for an upgrade: what `:protocol` says; else empty. */
  absl::string_view protocol;
  /** An upgrade's answer says 200 where HTTP/1 says 101; else empty. */
  absl::string_view status;
  /** An upgrade has no length: "content-length: 0" is left out, as nghttp2 refuses it. */
  bool drop_zero_length = false;
};

/** The request has `Upgrade`, and `Connection` names it. */
bool isUpgradeRequest(const HeaderMap& request);

Http2Upgrade upgradeRequestToHttp2(const HeaderMap& request);
Http2Upgrade upgradeResponseToHttp2(const HeaderMap& response);

/** An extended CONNECT becomes a GET with `Upgrade`. False, and nothing done, for every other request. */
bool upgradeRequestFromHttp2(HeaderMap& request);
/** 200 becomes 101 with `Upgrade: <protocol>`; other answers refuse the upgrade and stay what they are. */
void upgradeResponseFromHttp2(HeaderMap& response, absl::string_view protocol);

}  // namespace sluice::http
