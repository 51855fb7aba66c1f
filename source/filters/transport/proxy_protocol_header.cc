#include "source/filters/transport/proxy_protocol_header.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kLocal = 0x20;
constexpr char kProxied = 0x21;
constexpr size_t kLongest = 0xffff;

void appendNumber(std::string& to, size_t number) {
  to.push_back(static_cast<char>(number >> 8 & 0xff));
  to.push_back(static_cast<char>(number & 0xff));
}

bool bothV4(const net::Address& a, const net::Address& b) {
  return a.kind() == net::Address::Kind::Ipv4 && b.kind() == net::Address::Kind::Ipv4;
}

/** 16 bytes; an IPv4 address mapped. */
void appendV6(std::string& to, const net::Address& address) {
  sockaddr_storage storage;
  address.toSockaddr(storage, /*as_v6=*/true);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  to.append(reinterpret_cast<const char*>(&v6->sin6_addr), 16);
}

std::string v6Text(const net::Address& address) {
  return address.kind() == net::Address::Kind::Ipv4 ? absl::StrCat("::ffff:", address.ipString()) : address.ipString();
}

}  // namespace

std::string proxyHeaderV1(const net::Address& source, const net::Address& destination) {
  if (!source.isIp() || !destination.isIp()) {
    return "PROXY UNKNOWN\r\n";
  }
  if (bothV4(source, destination)) {
    return absl::StrCat("PROXY TCP4 ", source.ipString(), " ", destination.ipString(), " ", source.port(), " ",
                        destination.port(), "\r\n");
  }
  return absl::StrCat("PROXY TCP6 ", v6Text(source), " ", v6Text(destination), " ", source.port(), " ",
                      destination.port(), "\r\n");
}

std::string proxyHeaderV2(const net::Address& source, const net::Address& destination,
                          const std::vector<net::ProxyTlv>& tlvs) {
  std::string rest;
  char family = 0x00;
  if (source.isIp() && destination.isIp()) {
    if (bothV4(source, destination)) {
      family = 0x11;
      rest.append(reinterpret_cast<const char*>(source.bytes()), 4);
      rest.append(reinterpret_cast<const char*>(destination.bytes()), 4);
    } else {
      family = 0x21;
      appendV6(rest, source);
      appendV6(rest, destination);
    }
    appendNumber(rest, source.port());
    appendNumber(rest, destination.port());
  }
  for (const net::ProxyTlv& tlv : tlvs) {
    if (rest.size() + 3 + tlv.value.size() <= kLongest) {
      rest.push_back(static_cast<char>(tlv.type));
      appendNumber(rest, tlv.value.size());
      rest.append(tlv.value);
    }
  }
  std::string header(kSignature);
  header.push_back(kProxied);
  header.push_back(family);
  appendNumber(header, rest.size());
  return header + rest;
}

std::string proxyHeaderV2Local() {
  std::string header(kSignature);
  header.push_back(kLocal);
  header.push_back(0);
  appendNumber(header, 0);
  return header;
}

}  // namespace sluice::filters
