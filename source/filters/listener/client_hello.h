#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::filters {

/** What a TLS client says first (RFC 8446 4.1.2), as far as anybody here looks at it. Views into what was parsed. */
struct ClientHello {
  uint16_t legacy_version = 0;
  std::vector<uint16_t> cipher_suites;
  /** Their types, in order. */
  std::vector<uint16_t> extensions;
  /** Empty where there is none. */
  absl::string_view server_name;
  bool has_server_name = false;
  std::vector<absl::string_view> application_protocols;
  std::vector<uint16_t> groups;
  absl::string_view point_formats;
  std::vector<uint16_t> signature_algorithms;
  std::vector<uint16_t> versions;
};

enum class HelloSearch : uint8_t {
  /** What there is may yet become one. */
  NeedMore,
  Found,
  /** It is no ClientHello, or a broken one. */
  NotFound,
};

/**
 * Finds the body of a ClientHello in the first bytes of a connection, however it is cut into records (RFC 8446 5.1).
 * `body` is a view into `bytes`, or into `joined` where the records' contents had to be put together. `size` is how long
 * all of it is on the wire: with NeedMore, the least that it can become, as far as is known.
 */
HelloSearch findClientHello(absl::string_view bytes, std::string& joined, absl::string_view& body, size_t& size);

/** False when it is broken; what is broken inside of an extension other than the server name leaves that one out. */
bool parseClientHello(absl::string_view body, ClientHello& hello);

/** Values that clients send at random, so that servers bear with what they do not know (RFC 8701). */
constexpr bool isGrease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

}  // namespace sluice::filters
