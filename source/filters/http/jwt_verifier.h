#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

#include "source/filters/http/jwt_keys.h"
#include "source/filters/http/jwt_remote_keys.h"
#include "source/http/header_map.h"
#include "source/matcher/string_matcher.h"

namespace sluice::filters {

/** What a JwtProvider says, as plain data: whose tokens these are and what becomes of them. */
struct JwtProvider {
  std::string name;
  std::string issuer;
  std::vector<std::string> audiences;
  std::optional<matcher::StringMatcher> subjects;
  bool require_expiration = false;
  std::optional<std::chrono::seconds> max_lifetime;
  uint32_t clock_skew = 60;

  /** One of these. */
  std::shared_ptr<const JwtKeys> local_keys;
  /** Why they cannot be used, where they cannot. */
  JwtStatus local_status = JwtStatus::Ok;
  std::unique_ptr<const JwtRemoteKeys> remote_keys;

  struct Header {
    std::string name;
    std::string prefix;
  };
  std::vector<Header> from_headers;
  std::vector<std::string> from_params;
  std::vector<std::string> from_cookies;

  bool forward = false;
  std::string forward_payload_header;
  bool pad_payload = false;
  std::string payload_in_metadata;
  std::string header_in_metadata;
  std::string failed_status_in_metadata;
  std::vector<std::string> space_delimited_claims;
  struct Claim {
    std::string header;
    std::vector<std::string> path;
  };
  std::vector<Claim> claims;
  bool clear_route_cache = false;
};

/** What a rule asks for. */
struct JwtRequirement {
  enum class Kind : uint8_t { Provider, Any, All, AllowMissing, AllowMissingOrFailed };
  Kind kind = Kind::Provider;
  const JwtProvider* provider = nullptr;
  /** Instead of the provider's own. */
  std::optional<std::vector<std::string>> audiences;
  std::vector<JwtRequirement> inner;
  /** Of AllowMissing and AllowMissingOrFailed: whose tokens are looked at. */
  std::vector<const JwtProvider*> providers;
};

/**
 * Holds one request's tokens against a requirement. All keys must be there, or known to be unobtainable: see
 * missingKeys(). On the request's worker; lives during a call.
 */
class JwtVerifier {
 public:
  JwtVerifier(http::HeaderMap& headers, uint64_t now) : headers_(headers), now_(now) {}

  /** A set of keys that the requirement needs for the tokens of this request and that is not there; null when none is. */
  const JwtRemoteKeys* missingKeys(const JwtRequirement& requirement) const;

  /** Good tokens' claims go to the request's headers on the way, and metadata() fills. */
  JwtStatus verify(const JwtRequirement& requirement);

  const google::protobuf::Struct& metadata() const { return metadata_; }
  bool clearRouteCache() const { return clear_route_cache_; }

 private:
  struct Found {
    std::string text;
    const JwtProvider* provider;
    /** Where it was: one of these. */
    const JwtProvider::Header* header = nullptr;
    const std::string* param = nullptr;
  };

  std::vector<Found> find(const std::vector<const JwtProvider*>& providers) const;
  JwtStatus authenticate(const std::vector<const JwtProvider*>& providers, const JwtProvider* provider,
                         const std::vector<std::string>* audiences, bool allow_missing, bool allow_failed);
  JwtStatus verifyToken(const Found& found, const std::vector<const JwtProvider*>& providers,
                        const JwtProvider* provider, const std::vector<std::string>* audiences);
  JwtStatus verifyAny(const JwtRequirement& requirement);
  void accept(const JwtProvider& provider, const JwtToken& token, const Found& found);
  void forwardClaims(const JwtProvider& provider, const JwtToken& token);

  http::HeaderMap& headers_;
  const uint64_t now_;
  google::protobuf::Struct metadata_;
  bool clear_route_cache_ = false;
};

}  // namespace sluice::filters
