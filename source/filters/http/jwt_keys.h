#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/filters/http/jwt_status.h"
#include "source/filters/http/jwt_token.h"

struct evp_pkey_st;

namespace sluice::filters {

/** A JSON Web Key Set (RFC 7517). Immutable; any thread. */
class JwtKeys {
 public:
  /** Keys that cannot be used are passed over; one at least must be good. Null with `status`. */
  static std::shared_ptr<const JwtKeys> parse(const std::string& text, JwtStatus& status);
  ~JwtKeys();

  /** Whether one of the keys made the token's signature (RFC 7518, section 3). */
  JwtStatus verify(const JwtToken& token) const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };
  struct Key {
    enum class Kind : uint8_t { Rsa, Ec, Ed25519, Secret };
    Kind kind = Kind::Rsa;
    std::string kid;
    /** Empty: any that suits its kind. */
    std::string alg;
    /** Ec: "P-256". */
    std::string curve;
    std::string secret;
    std::unique_ptr<evp_pkey_st, FreeKey> key;

    bool suits(absl::string_view token_alg) const;
    bool verify(const JwtToken& token) const;
  };

  JwtKeys() = default;
  static bool readKey(const google::protobuf::Struct& object, Key& out);

  std::vector<Key> keys_;
};

}  // namespace sluice::filters
