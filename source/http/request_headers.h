#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/http/header_map.h"
#include "source/net/address.h"
#include "source/net/tls_info.h"

namespace sluice::http {

struct StreamInfo;

/** A block of IP addresses ("10.0.0.0/8"). */
struct AddressRange {
  net::Address first;
  uint32_t prefix_length = 0;
  bool contains(const net::Address& address) const;
};

/** Which peers count as our own network's. */
struct InternalAddresses {
  bool unix_sockets = false;
  std::vector<AddressRange> ranges;
  bool contains(const net::Address& address) const;
};

/** A way to learn a client's address where the connection's own is a proxy's (original_ip_detection_extensions). */
struct OriginalIpDetection {
  enum class Kind : uint8_t { Xff, CustomHeader };
  Kind kind = Kind::Xff;
  /** Xff: how many addresses at the end are proxies' that are trusted. */
  uint32_t trusted_hops = 0;
  bool skip_append = true;
  /** Instead of a number of hops. */
  std::vector<AddressRange> trusted_ranges;
  /** CustomHeader: its name, and what a request without an address there is refused with (0: it is not). */
  std::string header;
  bool trust = false;
  uint32_t reject_status = 0;
};

enum class EscapedSlashes : uint8_t { Keep, Reject, UnescapeAndRedirect, UnescapeAndForward };
enum class StripPort : uint8_t { None, Matching, Any };
enum class ForwardClientCert : uint8_t { Sanitize, ForwardOnly, AppendForward, SanitizeSet, AlwaysForwardOnly };

/** Which parts of a client's certificate x-forwarded-client-cert tells. */
struct ClientCertDetails {
  bool subject = false;
  bool cert = false;
  bool chain = false;
  bool dns = false;
  bool uri = false;
};

/** How a connection manager changes requests before filters see them. */
struct RequestHeaderSettings {
  bool use_remote_address = false;
  uint32_t xff_num_trusted_hops = 0;
  bool skip_xff_append = false;
  bool append_x_forwarded_port = false;
  bool ipv4_as_mapped_ipv6 = false;
  InternalAddresses internal_addresses;
  std::vector<OriginalIpDetection> original_ip;
  /** Stands for peers of the loopback interface in x-forwarded-for. */
  std::string local_address;

  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  std::string via;
  /** For add_user_agent: the node's cluster; unset without it. */
  std::optional<std::string> user_agent;
  std::string node_id;
  std::optional<std::string> scheme;
  ForwardClientCert forward_client_cert = ForwardClientCert::Sanitize;
  ClientCertDetails client_cert_details;

  bool normalize_path = false;
  bool merge_slashes = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::Keep;
  StripPort strip_port = StripPort::None;
  bool strip_trailing_host_dot = false;
  /** Applied before anything else is derived from the headers. */
  std::vector<std::function<void(HeaderMap&, const StreamInfo&)>> early_mutations;
};

/** What a request's headers are seen beside. */
struct RequestOrigin {
  const net::Address& remote;
  const net::Address& local;
  /** Null without TLS. */
  const net::TlsInfo* tls = nullptr;
  /** The route table's internal_only_headers, in lower case. */
  absl::Span<const std::string> internal_only_headers;
};

struct SanitizedRequest {
  /** The client's address as far as it is trusted. */
  net::Address remote;
  bool internal = false;
  /** Not 0: the client's address could not be learned, and the request is refused. */
  uint32_t reject_status = 0;
};

/**
 * Makes a request that came in one that may go on: hop-by-hop and internal headers go, x-forwarded-* and the other
 * headers that tell of the way are set, the client's address is found out. Envoy's rules, which
 * docs/root/configuration/http/http_conn_man/headers.rst of Envoy describes. `info` is for the early mutations' formats.
 */
SanitizedRequest sanitizeRequest(HeaderMap& headers, const RequestHeaderSettings& settings, const RequestOrigin& origin,
                                 const StreamInfo& info);

/** Takes the port (as configured) and a trailing dot off :authority. Not for CONNECT, whose target needs its port. */
void normalizeHost(HeaderMap& headers, const RequestHeaderSettings& settings, uint16_t local_port);

/** One of the connection header's tokens is "close". */
bool asksToClose(const HeaderMap& headers);
/** Whether "connection" and "upgrade" ask for (or confirm) another protocol. */
bool isUpgrade(const HeaderMap& headers);

/** A random UUID (version 4), 36 characters into `out`. */
void makeUuid(char* out);

}  // namespace sluice::http
