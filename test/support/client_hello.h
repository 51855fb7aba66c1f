#pragma once

#include <cstdint>
#include <string>
#include <vector>

// ClientHellos made by hand, so that they can be broken by hand.

namespace sluice::test {

inline std::string bigEndian(size_t value, size_t width) {
  std::string bytes;
  while (width-- > 0) {
    bytes += static_cast<char>(value >> (8 * width));
  }
  return bytes;
}

/** Bytes behind their length. */
inline std::string withLength(const std::string& bytes, size_t width) { return bigEndian(bytes.size(), width) + bytes; }

struct HelloText {
  std::string server_name;
  std::vector<std::string> protocols;
  /** Further extensions, each with its type and length. */
  std::string extensions;
  std::string cipher_suites = bigEndian(0x1301, 2) + bigEndian(0xc02f, 2);

  std::string body() const {
    std::string all = extensions;
    if (!server_name.empty()) {
      all += bigEndian(0, 2) + withLength(withLength('\0' + withLength(server_name, 2), 2), 2);
    }
    if (!protocols.empty()) {
      std::string list;
      for (const std::string& protocol : protocols) {
        list += withLength(protocol, 1);
      }
      all += bigEndian(16, 2) + withLength(withLength(list, 2), 2);
    }
    return bigEndian(0x0303, 2) + std::string(32, 'r') + withLength("", 1) + withLength(cipher_suites, 2) +
           withLength(std::string(1, '\0'), 1) + withLength(all, 2);
  }
  std::string handshake() const { return '\1' + withLength(body(), 3); }
};

/** The message in records of at most so many bytes. */
inline std::string inRecords(const std::string& handshake, size_t most = 16384) {
  std::string wire;
  for (size_t at = 0; at < handshake.size(); at += most) {
    wire += std::string("\x16\x03\x01", 3) + withLength(handshake.substr(at, most), 2);
  }
  return wire;
}

inline std::string clientHello(const std::string& server_name, const std::vector<std::string>& protocols = {}) {
  return inRecords(HelloText{server_name, protocols, "", HelloText().cipher_suites}.handshake());
}

}  // namespace sluice::test
