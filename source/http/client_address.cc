#include "source/http/client_address.h"

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice::http {
namespace {

using net::Address;

Address parseIp(absl::string_view text) {
  absl::StatusOr<Address> address = Address::ip(text, 0);
  return address.ok() ? *std::move(address) : Address();
}

/** Takes the last element off the list. */
absl::string_view takeLast(absl::string_view& list) {
  const size_t comma = list.rfind(',');
  const absl::string_view last = comma == absl::string_view::npos ? list : list.substr(comma + 1);
  list = comma == absl::string_view::npos ? absl::string_view() : list.substr(0, comma);
  return absl::StripAsciiWhitespace(last);
}

/** The address before `skip` others at the end of x-forwarded-for; trusted only if it is the only one. */
ClientAddress lastOfForwardedFor(const HeaderMap& headers, uint32_t skip) {
  ClientAddress out;
  absl::string_view list = headers.get(HeaderId::ForwardedFor);
  for (uint32_t i = 0; i < skip; ++i) {
    takeLast(list);
  }
  if (list.empty()) {
    return out;
  }
  out.address = parseIp(takeLast(list));
  out.trusted = out.address.kind() != Address::Kind::None && list.empty() && skip == 0;
  return out;
}

bool inAny(const std::vector<AddressRange>& ranges, const Address& address) {
  for (const AddressRange& range : ranges) {
    if (range.contains(address)) {
      return true;
    }
  }
  return false;
}

/** The last address that no trusted proxy has; the first one if all are trusted. */
ClientAddress firstUntrusted(const HeaderMap& headers, const OriginalIpDetection& how, const Address& peer) {
  ClientAddress out;
  if (!inAny(how.trusted_ranges, peer)) {
    out.address = peer;
    return out;
  }
  absl::string_view list = headers.get(HeaderId::ForwardedFor);
  while (!list.empty()) {
    const Address address = parseIp(takeLast(list));
    if (address.kind() == Address::Kind::None) {
      break;
    }
    out.address = address;
    if (!inAny(how.trusted_ranges, address)) {
      break;
    }
  }
  return out;
}

void appendPeer(HeaderMap& headers, const RequestHeaderSettings& settings, const Address& peer) {
  if (peer.isIp()) {
    headers.append(HeaderId::ForwardedFor, ipText(peer, settings.ipv4_as_mapped_ipv6), ",");
  }
}

}  // namespace

bool AddressRange::contains(const Address& address) const {
  if (address.kind() != first.kind()) {
    return false;
  }
  const uint32_t whole = prefix_length / 8;
  if (std::memcmp(address.bytes(), first.bytes(), whole) != 0) {
    return false;
  }
  const uint32_t bits = prefix_length % 8;
  return bits == 0 || ((address.bytes()[whole] ^ first.bytes()[whole]) >> (8 - bits)) == 0;
}

bool InternalAddresses::contains(const Address& address) const {
  return address.isIp() ? inAny(ranges, address) : address.kind() == Address::Kind::Pipe && unix_sockets;
}

std::string ipText(const Address& address, bool ipv4_as_mapped_ipv6) {
  return ipv4_as_mapped_ipv6 && address.kind() == Address::Kind::Ipv4 ? absl::StrCat("::ffff:", address.ipString())
                                                                      : address.ipString();
}

ClientAddress findClientAddress(HeaderMap& headers, const RequestHeaderSettings& settings, const Address& peer) {
  ClientAddress out;
  if (settings.use_remote_address) {
    out.trusted = !headers.has(HeaderId::ForwardedFor);
    if (settings.xff_num_trusted_hops > 0) {
      out.address = lastOfForwardedFor(headers, settings.xff_num_trusted_hops - 1).address;
    }
    if (out.address.kind() == Address::Kind::None) {
      out.address = peer;
    }
    if (!settings.skip_xff_append) {
      if (peer.isIp() && peer.isLoopback()) {
        headers.append(HeaderId::ForwardedFor, settings.local_address, ",");
      } else {
        appendPeer(headers, settings, peer);
      }
    }
    return out;
  }
  if (settings.original_ip.empty()) {
    return lastOfForwardedFor(headers, settings.xff_num_trusted_hops);
  }
  for (const OriginalIpDetection& how : settings.original_ip) {
    if (how.kind == OriginalIpDetection::Kind::CustomHeader) {
      out.address = parseIp(headers.get(how.header));
      out.trusted = how.trust && out.address.kind() != Address::Kind::None;
      if (out.address.kind() == Address::Kind::None) {
        out.reject_status = how.reject_status;
      }
    } else {
      out = how.trusted_ranges.empty() ? lastOfForwardedFor(headers, how.trusted_hops)
                                       : firstUntrusted(headers, how, peer);
      if (!how.skip_append) {
        appendPeer(headers, settings, peer);
      }
    }
    if (out.address.kind() != Address::Kind::None || out.reject_status != 0) {
      break;
    }
  }
  return out;
}

}  // namespace sluice::http
