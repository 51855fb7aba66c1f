#pragma once

#include <map>
#include <memory>
#include <string>

#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class GenericSecret;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

/** Bytes that only their user knows the meaning of: a token, a password. Made on main; immutable, shared, any thread. */
class GenericSecret {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::GenericSecret;

  /** Reads the message's data sources here and now. Null, with violations, where one cannot be read. */
  static std::shared_ptr<const GenericSecret> create(const Proto& message, const config::FieldPath& path,
                                                     config::Violations& violations);

  const std::string& bytes() const { return bytes_; }
  const std::map<std::string, std::string>& named() const { return named_; }

 private:
  GenericSecret() = default;

  std::string bytes_;
  std::map<std::string, std::string> named_;
};

}  // namespace sluice::tls
