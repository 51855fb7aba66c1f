#include "source/filters/listener/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kV1Signature = "PROXY ";
constexpr absl::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
/** With its line end; the longest that the specification has is one less, and a terminating zero. */
constexpr size_t kMaxV1 = 108;
constexpr size_t kV2Header = 16;

uint8_t byteAt(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint16_t numberAt(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(byteAt(bytes, at) << 8 | byteAt(bytes, at + 1));
}

bool begins(absl::string_view bytes, absl::string_view signature) {
  const size_t common = std::min(bytes.size(), signature.size());
  return bytes.substr(0, common) == signature.substr(0, common);
}

/** An address that a TCP connection can have. */
bool isUnicast(const net::Address& address) {
  if (address.kind() == net::Address::Kind::Ipv4) {
    const uint8_t* bytes = address.bytes();
    const bool multicast = bytes[0] >= 224 && bytes[0] < 240;
    const bool broadcast = bytes[0] == 255 && bytes[1] == 255 && bytes[2] == 255 && bytes[3] == 255;
    return !address.isAnyAddress() && !multicast && !broadcast;
  }
  return !address.isAnyAddress() && address.bytes()[0] != 0xff;
}

bool takeAddresses(net::Address source, net::Address destination, ProxyHeader& header) {
  if (!isUnicast(source) || !isUnicast(destination)) {
    return false;
  }
  header.has_addresses = true;
  header.source = std::move(source);
  header.destination = std::move(destination);
  return true;
}

bool parsePort(absl::string_view text, uint16_t& port) {
  uint32_t number = 0;
  if (text.size() > 5 || !absl::SimpleAtoi(text, &number) || number > 65535) {
    return false;
  }
  port = static_cast<uint16_t>(number);
  return true;
}

/** "TCP4 10.0.0.1 10.0.0.2 1000 80". */
bool parseV1(absl::string_view line, ProxyHeader& header) {
  if (line == "UNKNOWN" || line.substr(0, 8) == "UNKNOWN ") {
    return true;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 5 || (parts[0] != "TCP4" && parts[0] != "TCP6")) {
    return false;
  }
  const bool ipv6 = parts[0] == "TCP6";
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  if (!parsePort(parts[3], source_port) || !parsePort(parts[4], destination_port) ||
      (parts[1].find(':') != absl::string_view::npos) != ipv6 ||
      (parts[2].find(':') != absl::string_view::npos) != ipv6) {
    return false;
  }
  absl::StatusOr<net::Address> source = net::Address::ip(parts[1], source_port);
  absl::StatusOr<net::Address> destination = net::Address::ip(parts[2], destination_port);
  return source.ok() && destination.ok() && takeAddresses(*std::move(source), *std::move(destination), header);
}

net::Address addressAt(absl::string_view bytes, bool ipv6, size_t address, size_t port) {
  if (ipv6) {
    // As text, so that a mapped IPv4 address stays what it was said to be, as it does in version 1.
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, bytes.data() + address, text, sizeof(text));
    return *net::Address::ip(text, numberAt(bytes, port));
  }
  sockaddr_in made{};
  made.sin_family = AF_INET;
  std::memcpy(&made.sin_addr, bytes.data() + address, 4);
  made.sin_port = htons(numberAt(bytes, port));
  return net::Address::fromSockaddr(reinterpret_cast<const sockaddr*>(&made), sizeof(made));
}

bool parseTlvs(absl::string_view bytes, ProxyHeader& header) {
  while (!bytes.empty()) {
    if (bytes.size() < 3 || bytes.size() - 3 < numberAt(bytes, 1)) {
      return false;
    }
    const size_t size = numberAt(bytes, 1);
    header.tlvs.push_back({byteAt(bytes, 0), bytes.substr(3, size)});
    bytes.remove_prefix(3 + size);
  }
  return true;
}

/** What follows the fixed header, as long as that said. */
bool parseV2(uint8_t command, uint8_t family, absl::string_view rest, ProxyHeader& header) {
  enum : uint8_t { kLocal = 0, kProxy = 1, kInet = 1, kInet6 = 2, kStream = 1, kDatagram = 2 };
  if (command == kLocal) {
    return true;
  }
  const uint8_t transport = family & 0x0f;
  const uint8_t addresses = family >> 4;
  if (command != kProxy || (transport != kStream && transport != kDatagram) ||
      (addresses != kInet && addresses != kInet6)) {
    return false;
  }
  const bool ipv6 = addresses == kInet6;
  const size_t width = ipv6 ? 16 : 4;
  const size_t size = 2 * width + 4;
  return rest.size() >= size &&
         takeAddresses(addressAt(rest, ipv6, 0, 2 * width), addressAt(rest, ipv6, width, 2 * width + 2), header) &&
         parseTlvs(rest.substr(size), header);
}

ProxySearch findV1(absl::string_view bytes, ProxyHeader& header) {
  const absl::string_view scope = bytes.substr(0, kMaxV1);
  const size_t end = scope.find("\r\n");
  if (end == absl::string_view::npos) {
    header.size = kMaxV1;
    return bytes.size() < kMaxV1 ? ProxySearch::NeedMore : ProxySearch::Broken;
  }
  header.size = end + 2;
  const absl::string_view line = scope.substr(kV1Signature.size(), end - kV1Signature.size());
  return parseV1(line, header) ? ProxySearch::Found : ProxySearch::Broken;
}

ProxySearch findV2(absl::string_view bytes, ProxyHeader& header) {
  header.size = kV2Header;
  if (bytes.size() > 12 && byteAt(bytes, 12) >> 4 != 2) {
    return ProxySearch::Broken;
  }
  if (bytes.size() < kV2Header) {
    return ProxySearch::NeedMore;
  }
  header.size += numberAt(bytes, 14);
  if (bytes.size() < header.size) {
    return ProxySearch::NeedMore;
  }
  return parseV2(byteAt(bytes, 12) & 0x0f, byteAt(bytes, 13), bytes.substr(kV2Header, header.size - kV2Header), header)
             ? ProxySearch::Found
             : ProxySearch::Broken;
}

}  // namespace

ProxySearch findProxyHeader(absl::string_view bytes, const ProxyVersions& versions, ProxyHeader& header) {
  if (versions.v2 && begins(bytes, kV2Signature)) {
    header.version = bytes.size() < kV2Signature.size() ? 0 : 2;
    return findV2(bytes, header);
  }
  if (versions.v1 && begins(bytes, kV1Signature)) {
    header.version = bytes.size() < kV1Signature.size() ? 0 : 1;
    return findV1(bytes, header);
  }
  return ProxySearch::None;
}

}  // namespace sluice::filters
