#include "source/matcher/ip_bytes.h"

#include <arpa/inet.h>

#include <cstring>

namespace sluice::matcher {

size_t ipBytes(absl::string_view text, std::array<uint8_t, 16>& bytes) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.size() >= sizeof(buffer)) {
    return 0;
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  bytes.fill(0);
  if (inet_pton(AF_INET, buffer, bytes.data()) == 1) {
    return 4;
  }
  return inet_pton(AF_INET6, buffer, bytes.data()) == 1 ? 16 : 0;
}

}  // namespace sluice::matcher
