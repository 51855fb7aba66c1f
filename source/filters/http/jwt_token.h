#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

#include "source/filters/http/jwt_status.h"

namespace sluice::filters {

/** A JSON Web Token in its compact form (RFC 7515, section 7.1; RFC 7519), taken apart but not verified. Plain value. */
struct JwtToken {
  std::string alg;
  std::string kid;
  google::protobuf::Struct header;
  google::protobuf::Struct payload;
  /** As it came, in base64url. */
  std::string payload_text;
  /** What was signed: the first two parts with their dot. */
  std::string signed_text;
  std::string signature;

  std::string iss;
  std::string sub;
  std::vector<std::string> aud;
  /** Seconds since 1970; 0 when the token does not say. */
  uint64_t nbf = 0;
  uint64_t exp = 0;

  JwtStatus parse(absl::string_view text);
  /** `skew`: how many seconds off the issuer's clock may be. */
  JwtStatus checkTime(uint64_t now, uint64_t skew) const;
};

/** base64url without padding; false when it is none. */
bool decodeBase64Url(absl::string_view text, std::string& out);

}  // namespace sluice::filters
