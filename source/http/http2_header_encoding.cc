#include "source/http/http2_header_encoding.h"

#include "absl/strings/match.h"

namespace sluice::http {
namespace {

nghttp2_nv field(absl::string_view name, absl::string_view value, uint8_t flags) {
  nghttp2_nv nv;
  nv.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  nv.namelen = name.size();
  nv.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  nv.valuelen = value.size();
  nv.flags = flags;
  return nv;
}

/** Names that the program knows are static, so nghttp2 need not copy them. */
nghttp2_nv field(const Header& header, absl::string_view value) {
  uint8_t flags = header.id != HeaderId::Other ? NGHTTP2_NV_FLAG_NO_COPY_NAME : NGHTTP2_NV_FLAG_NONE;
  if (header.sensitive) {
    flags |= NGHTTP2_NV_FLAG_NO_INDEX;
  }
  return field(header.id != HeaderId::Other ? headerName(header.id) : header.name, value, flags);
}

bool isPseudo(const Header& header) { return !header.name.empty() && header.name[0] == ':'; }

bool isLeftOut(const Header& header, const HeaderMap& headers, const Http2Upgrade& upgrade) {
  switch (header.id) {
    case HeaderId::Connection:
    case HeaderId::KeepAlive:
    case HeaderId::ProxyConnection:
    case HeaderId::TransferEncoding:
    case HeaderId::Upgrade:
    case HeaderId::Http2Settings:
      return true;
    case HeaderId::Te:
      return !absl::EqualsIgnoreCase(header.value, "trailers");
    case HeaderId::Host:
      return headers.has(HeaderId::Authority);
    case HeaderId::ContentLength:
      return upgrade.drop_zero_length && header.value == "0";
    default:
      return false;
  }
}

}  // namespace

void encodeHttp2Headers(const HeaderMap& headers, const Http2Upgrade& upgrade, Http2HeaderBlock& block) {
  const bool plain_connect =
      upgrade.protocol.empty() && headers.get(HeaderId::Method) == "CONNECT" && !headers.has(HeaderId::PseudoProtocol);
  headers.forEach([&](const Header& header) {
    if (!isPseudo(header)) {
      return;
    }
    absl::string_view value = header.value;
    if (header.id == HeaderId::Method && !upgrade.protocol.empty()) {
      value = "CONNECT";
    } else if (header.id == HeaderId::Status && !upgrade.status.empty()) {
      value = upgrade.status;
    } else if (plain_connect && (header.id == HeaderId::Scheme || header.id == HeaderId::Path)) {
      // RFC 9113, section 8.5: these must be left out.
      return;
    }
    block.push_back(field(header, value));
  });
  if (!upgrade.protocol.empty()) {
    block.push_back(field(headerName(HeaderId::PseudoProtocol), upgrade.protocol, NGHTTP2_NV_FLAG_NO_COPY_NAME));
  }
  headers.forEach([&](const Header& header) {
    if (!isPseudo(header) && !isLeftOut(header, headers, upgrade)) {
      block.push_back(field(header, header.value));
    }
  });
}

}  // namespace sluice::http
