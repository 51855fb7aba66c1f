#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/**
 * Sessions that servers gave us, for connections to come, of all workers. The newest come first; beyond the limit the
 * oldest goes. A key tells with whom a session was made, so that it is resumed with nobody else.
 */
class SessionStore {
 public:
  explicit SessionStore(size_t limit) : limit_(limit) {}

  size_t limit() const { return limit_; }
  void put(std::string key, SslSessionPtr session);
  /** The newest of that key; null where there is none. One of TLS 1.3 is used once (RFC 8446, appendix C.4). */
  SslSessionPtr take(absl::string_view key);

 private:
  const size_t limit_;
  /**
   * Guards `sessions_`: a handshake takes it for a moment. Workers that posted sessions to each other would have none for
   * their own first connections.
   */
  std::mutex mutex_;
  /** Empty, as a server's always is, it takes no memory. */
  std::list<std::pair<std::string, SslSessionPtr>> sessions_;
};

}  // namespace sluice::tls
