#include "source/http/request_headers.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/base/random.h"
#include "source/http/client_address.h"
#include "source/http/stream_info.h"

namespace sluice::http {
namespace {

/** What an edge proxy takes from its clients' requests, for only its own network may say it. */
constexpr HeaderId kEdgeOnly[] = {
    HeaderId::EnvoyDecoratorOperation,
    HeaderId::EnvoyDownstreamServiceCluster,
    HeaderId::EnvoyDownstreamServiceNode,
    HeaderId::EnvoyOriginalPath,
};
/** What no request from outside may say, at the edge and behind it. */
constexpr HeaderId kInternalOnly[] = {
    HeaderId::EnvoyRetriableStatusCodes,
    HeaderId::EnvoyRetriableHeaderNames,
    HeaderId::EnvoyRetryOn,
    HeaderId::EnvoyRetryGrpcOn,
    HeaderId::EnvoyMaxRetries,
    HeaderId::EnvoyUpstreamAltStatName,
    HeaderId::EnvoyUpstreamRequestTimeoutMs,
    HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs,
    HeaderId::EnvoyUpstreamRequestTimeoutAltResponse,
    HeaderId::EnvoyExpectedRequestTimeoutMs,
    HeaderId::EnvoyForceTrace,
    HeaderId::EnvoyIpTags,
    HeaderId::EnvoyOriginalUrl,
    HeaderId::EnvoyHedgeOnPerTryTimeout,
};

bool hasToken(absl::string_view list, absl::string_view lower_token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(list.substr(0, comma)), lower_token)) {
      return true;
    }
    list = comma == absl::string_view::npos ? absl::string_view() : list.substr(comma + 1);
  }
  return false;
}

void removeHopByHop(HeaderMap& headers) {
  if (!isUpgrade(headers)) {
    headers.remove(HeaderId::Connection);
    headers.remove(HeaderId::Upgrade);
  }
  headers.remove(HeaderId::EnvoyInternalRequest);
  headers.remove(HeaderId::KeepAlive);
  headers.remove(HeaderId::ProxyConnection);
  headers.remove(HeaderId::TransferEncoding);
  if (const absl::string_view te = headers.get(HeaderId::Te); te.data() != nullptr) {
    // RFC 9110, section 10.1.4: all but "trailers" is the hop's own.
    if (hasToken(te, "trailers")) {
      headers.setView(HeaderId::Te, "trailers");
    } else {
      headers.remove(HeaderId::Te);
    }
  }
}

bool isScheme(absl::string_view text) {
  return absl::EqualsIgnoreCase(text, "http") || absl::EqualsIgnoreCase(text, "https");
}

/** One that is repeated, or is no absolute URL, is not passed on. */
void sanitizeReferer(HeaderMap& headers) {
  const Header* const referer = headers.find(HeaderId::Referer);
  if (referer == nullptr) {
    return;
  }
  const size_t scheme_end = referer->value.find("://");
  const bool absolute = scheme_end != absl::string_view::npos && isScheme(referer->value.substr(0, scheme_end)) &&
                        referer->value.size() > scheme_end + 3 && referer->value[scheme_end + 3] != '/';
  if (!absolute || headers.next(*referer) != nullptr) {
    headers.remove(HeaderId::Referer);
  }
}

void setScheme(HeaderMap& headers, const RequestHeaderSettings& settings, bool tls) {
  if (settings.scheme.has_value()) {
    headers.setView(HeaderId::Scheme, *settings.scheme);
    headers.setView(HeaderId::ForwardedProto, *settings.scheme);
    return;
  }
  const absl::string_view scheme = headers.get(HeaderId::Scheme);
  if (scheme.empty()) {
    const absl::string_view proto = headers.get(HeaderId::ForwardedProto);
    headers.setView(HeaderId::Scheme, absl::EqualsIgnoreCase(proto, "https")  ? "https"
                                      : absl::EqualsIgnoreCase(proto, "http") ? "http"
                                      : tls                                   ? "https"
                                                                              : "http");
  } else if (absl::c_any_of(scheme, [](unsigned char c) { return absl::ascii_isupper(c); })) {
    headers.set(HeaderId::Scheme, absl::AsciiStrToLower(scheme));
  }
}

/** What x-forwarded-client-cert says of one connection. */
std::string clientCertText(const net::TlsInfo& tls, const ClientCertDetails& wanted) {
  std::string text;
  const auto part = [&text](absl::string_view name, absl::string_view value, absl::string_view quote = "") {
    absl::StrAppend(&text, text.empty() ? "" : ";", name, "=", quote, value, quote);
  };
  if (const net::CertificateDetails* const local = tls.local(); local != nullptr) {
    for (const std::string& uri : local->uri_sans) {
      part("By", uri);
    }
  }
  const net::CertificateDetails* const peer = tls.peer();
  if (peer == nullptr) {
    return text;
  }
  if (!peer->sha256.empty()) {
    part("Hash", peer->sha256);
  }
  if (wanted.cert && !peer->pem.empty()) {
    part("Cert", peer->pem, "\"");
  }
  if (wanted.chain && !peer->chain_pem.empty()) {
    part("Chain", peer->chain_pem, "\"");
  }
  if (wanted.subject) {
    part("Subject", peer->subject, "\"");
  }
  if (wanted.uri) {
    for (const std::string& uri : peer->uri_sans) {
      part("URI", uri);
    }
    if (peer->uri_sans.empty()) {
      part("URI", "");
    }
  }
  if (wanted.dns) {
    for (const std::string& name : peer->dns_sans) {
      part("DNS", name);
    }
  }
  return text;
}

void setForwardedClientCert(HeaderMap& headers, const RequestHeaderSettings& settings, const net::TlsInfo* tls) {
  const ForwardClientCert mode = settings.forward_client_cert;
  if (mode == ForwardClientCert::AlwaysForwardOnly) {
    return;
  }
  if (mode == ForwardClientCert::Sanitize || tls == nullptr || !tls->peerPresentedCertificate()) {
    headers.remove(HeaderId::ForwardedClientCert);
    return;
  }
  if (mode == ForwardClientCert::ForwardOnly) {
    return;
  }
  const std::string text = clientCertText(*tls, settings.client_cert_details);
  if (mode == ForwardClientCert::AppendForward) {
    headers.append(HeaderId::ForwardedClientCert, text);
  } else {
    headers.set(HeaderId::ForwardedClientCert, text);
  }
}

void setRequestId(HeaderMap& headers, const RequestHeaderSettings& settings, bool edge) {
  if (!settings.generate_request_id) {
    return;
  }
  const bool replace = edge && !settings.preserve_external_request_id;
  if (replace || headers.get(HeaderId::RequestId).empty()) {
    char* const id = static_cast<char*>(headers.arena().allocate(36, 1));
    makeUuid(id);
    headers.setView(HeaderId::RequestId, {id, 36});
  }
}

}  // namespace

bool asksToClose(const HeaderMap& headers) {
  for (const Header* field = headers.find(HeaderId::Connection); field != nullptr; field = headers.next(*field)) {
    if (hasToken(field->value, "close")) {
      return true;
    }
  }
  return false;
}

bool isUpgrade(const HeaderMap& headers) {
  return headers.has(HeaderId::Upgrade) && hasToken(headers.get(HeaderId::Connection), "upgrade");
}

void makeUuid(char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  base::Random& random = base::threadRandom();
  const uint64_t halves[2] = {(random.next() & ~uint64_t{0xf000}) | 0x4000,
                              (random.next() & ~(uint64_t{3} << 62)) | (uint64_t{1} << 63)};
  for (const uint64_t& half : halves) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      // Groups of 8, 4, 4, 4 and 12 digits.
      if ((&half == &halves[0] && (shift == 28 || shift == 12)) ||
          (&half == &halves[1] && (shift == 60 || shift == 44))) {
        *out++ = '-';
      }
      *out++ = kHex[(half >> shift) & 15];
    }
  }
}

SanitizedRequest sanitizeRequest(HeaderMap& headers, const RequestHeaderSettings& settings, const RequestOrigin& origin,
                                 const StreamInfo& info) {
  for (const auto& mutate : settings.early_mutations) {
    mutate(headers, info);
  }
  removeHopByHop(headers);
  sanitizeReferer(headers);

  SanitizedRequest out;
  const ClientAddress client = findClientAddress(headers, settings, origin.remote);
  if (client.reject_status != 0) {
    out.reject_status = client.reject_status;
    return out;
  }
  const bool overwrite = settings.use_remote_address && settings.xff_num_trusted_hops == 0;
  if (overwrite || !headers.has(HeaderId::ForwardedProto)) {
    headers.setView(HeaderId::ForwardedProto, origin.tls != nullptr ? "https" : "http");
  }
  if (settings.append_x_forwarded_port && (overwrite || !headers.has(HeaderId::ForwardedPort)) && origin.local.isIp()) {
    headers.setNumber(HeaderId::ForwardedPort, origin.local.port());
  }
  setScheme(headers, settings, origin.tls != nullptr);

  out.internal = client.trusted && client.address.kind() != net::Address::Kind::None &&
                 settings.internal_addresses.contains(client.address);
  out.remote = client.address.kind() == net::Address::Kind::None ? origin.remote : client.address;
  const bool edge = !out.internal && settings.use_remote_address;
  if (out.internal) {
    headers.setView(HeaderId::EnvoyInternalRequest, "true");
  } else {
    if (edge) {
      for (const HeaderId id : kEdgeOnly) {
        headers.remove(id);
      }
    }
    for (const HeaderId id : kInternalOnly) {
      headers.remove(id);
    }
    for (const std::string& name : origin.internal_only_headers) {
      headers.remove(name);
    }
  }

  if (settings.user_agent.has_value()) {
    headers.setView(HeaderId::EnvoyDownstreamServiceCluster, *settings.user_agent);
    if (headers.get(HeaderId::UserAgent).empty()) {
      headers.setView(HeaderId::UserAgent, *settings.user_agent);
    }
    if (!settings.node_id.empty()) {
      headers.setView(HeaderId::EnvoyDownstreamServiceNode, settings.node_id);
    }
  }
  if (!settings.via.empty()) {
    headers.append(HeaderId::Via, settings.via, ", ");
  }
  if (edge && out.remote.isIp()) {
    headers.set(HeaderId::EnvoyExternalAddress, ipText(out.remote, false));
  }
  setRequestId(headers, settings, edge);
  setForwardedClientCert(headers, settings, origin.tls);
  return out;
}

void normalizeHost(HeaderMap& headers, const RequestHeaderSettings& settings, uint16_t local_port) {
  absl::string_view host = headers.get(HeaderId::Authority);
  if (host.empty() || headers.get(HeaderId::Method) == "CONNECT") {
    return;
  }
  const auto portAt = [](absl::string_view text) {
    const size_t colon = text.rfind(':');
    // Inside brackets it is of an IPv6 address.
    const size_t bracket = text.rfind(']');
    return colon == absl::string_view::npos || (bracket != absl::string_view::npos && bracket > colon)
               ? absl::string_view::npos
               : colon;
  };
  if (settings.strip_trailing_host_dot) {
    const size_t colon = portAt(host);
    const absl::string_view name = host.substr(0, colon);
    if (!name.empty() && name.back() == '.') {
      if (colon == absl::string_view::npos) {
        host = name.substr(0, name.size() - 1);
        headers.setView(HeaderId::Authority, host);
      } else {
        headers.set(HeaderId::Authority, absl::StrCat(name.substr(0, name.size() - 1), host.substr(colon)));
        host = headers.get(HeaderId::Authority);
      }
    }
  }
  if (settings.strip_port == StripPort::None) {
    return;
  }
  const size_t colon = portAt(host);
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(host.substr(colon + 1), &port)) {
    return;
  }
  if (settings.strip_port == StripPort::Any || port == local_port) {
    headers.setView(HeaderId::Authority, host.substr(0, colon));
  }
}

}  // namespace sluice::http
