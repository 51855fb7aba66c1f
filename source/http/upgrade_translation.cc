#include "source/http/upgrade_translation.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace sluice::http {
namespace {

bool namesUpgrade(absl::string_view connection) {
  while (!connection.empty()) {
    const size_t comma = connection.find(',');
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(connection.substr(0, comma)), "upgrade")) {
      return true;
    }
    if (comma == absl::string_view::npos) {
      return false;
    }
    connection.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

bool isUpgradeRequest(const HeaderMap& request) {
  return !request.get(HeaderId::Upgrade).empty() && namesUpgrade(request.get(HeaderId::Connection));
}

Http2Upgrade upgradeRequestToHttp2(const HeaderMap& request) {
  Http2Upgrade upgrade;
  if (isUpgradeRequest(request)) {
    upgrade.protocol = request.get(HeaderId::Upgrade);
    upgrade.drop_zero_length = true;
  }
  return upgrade;
}

Http2Upgrade upgradeResponseToHttp2(const HeaderMap& response) {
  Http2Upgrade upgrade;
  if (response.get(HeaderId::Status) == "101") {
    upgrade.status = "200";
    upgrade.drop_zero_length = true;
  }
  return upgrade;
}

bool upgradeRequestFromHttp2(HeaderMap& request) {
  const absl::string_view protocol = request.get(HeaderId::PseudoProtocol);
  if (protocol.empty() || request.get(HeaderId::Method) != "CONNECT") {
    return false;
  }
  request.setView(HeaderId::Method, "GET");
  request.setView(HeaderId::Upgrade, protocol);
  request.setView(HeaderId::Connection, "upgrade");
  request.remove(HeaderId::PseudoProtocol);
  return true;
}

void upgradeResponseFromHttp2(HeaderMap& response, absl::string_view protocol) {
  if (response.get(HeaderId::Status) != "200") {
    return;
  }
  response.setView(HeaderId::Status, "101");
  response.setView(HeaderId::Upgrade, protocol);
  response.setView(HeaderId::Connection, "upgrade");
}

}  // namespace sluice::http
