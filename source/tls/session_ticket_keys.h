#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class TlsSessionTicketKeys;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

/**
 * What a server encrypts session tickets with (RFC 5077), so that several servers, or one after its restart, take each
 * other's. The first key encrypts, all of them decrypt. Made on main; immutable, shared, any thread.
 */
class SessionTicketKeys {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::TlsSessionTicketKeys;

  /** The parts of 80 bytes, in this order. */
  struct Key {
    std::array<uint8_t, 16> name;
    std::array<uint8_t, 32> hmac;
    std::array<uint8_t, 32> aes;
  };

  /**
   * Reads the message's data sources here and now (config::readDataSource(), so config::FilesRead notes the files). Null,
   * with violations, where there is no key, or one that has not 80 bytes.
   */
  static std::shared_ptr<const SessionTicketKeys> create(const Proto& message, const config::FieldPath& path,
                                                         config::Violations& violations);
  /** A key made of chance, and the first of `previous`, which may be null. Null where there is no randomness. */
  static std::shared_ptr<const SessionTicketKeys> generate(const SessionTicketKeys* previous);
  ~SessionTicketKeys();
  SessionTicketKeys(const SessionTicketKeys&) = delete;

  /** Never empty. */
  const std::vector<Key>& keys() const { return keys_; }

 private:
  SessionTicketKeys() = default;

  std::vector<Key> keys_;
};

}  // namespace sluice::tls
