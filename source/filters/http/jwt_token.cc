#include "source/filters/http/jwt_token.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/json_util.h"

namespace sluice::filters {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

bool parseJson(const std::string& text, Struct& out) {
  return google::protobuf::util::JsonStringToMessage(text, &out).ok();
}

const Value* member(const Struct& object, const char* name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

JwtStatus readText(const Struct& object, const char* name, JwtStatus bad, std::string& out) {
  const Value* const value = member(object, name);
  if (value == nullptr) {
    return JwtStatus::Ok;
  }
  if (value->kind_case() != Value::kStringValue) {
    return bad;
  }
  out = value->string_value();
  return JwtStatus::Ok;
}

JwtStatus readTime(const Struct& object, const char* name, JwtStatus not_integer, JwtStatus not_positive,
                   uint64_t& out) {
  const Value* const value = member(object, name);
  if (value == nullptr) {
    return JwtStatus::Ok;
  }
  if (value->kind_case() != Value::kNumberValue) {
    return not_integer;
  }
  const double number = value->number_value();
  if (number < 0 || number >= 0x1.0p63) {
    return not_positive;
  }
  out = static_cast<uint64_t>(number);
  return JwtStatus::Ok;
}

JwtStatus readAudiences(const Struct& payload, std::vector<std::string>& out) {
  const Value* const value = member(payload, "aud");
  if (value == nullptr) {
    return JwtStatus::Ok;
  }
  if (value->kind_case() == Value::kStringValue) {
    out.push_back(value->string_value());
    return JwtStatus::Ok;
  }
  if (value->kind_case() != Value::kListValue) {
    return JwtStatus::AudNotString;
  }
  for (const Value& each : value->list_value().values()) {
    if (each.kind_case() != Value::kStringValue) {
      return JwtStatus::AudNotString;
    }
    out.push_back(each.string_value());
  }
  return JwtStatus::Ok;
}

bool knownAlg(absl::string_view alg) {
  static constexpr absl::string_view kKnown[] = {"ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256",
                                                 "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"};
  return std::find(std::begin(kKnown), std::end(kKnown), alg) != std::end(kKnown);
}

}  // namespace

bool decodeBase64Url(absl::string_view text, std::string& out) {
  // Abseil takes padding and plain base64's letters too, which have no place in a token.
  return text.find_first_of("=+/ \t\r\n") == absl::string_view::npos && absl::WebSafeBase64Unescape(text, &out);
}

JwtStatus JwtToken::parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (parts.size() != 3) {
    return JwtStatus::BadFormat;
  }
  std::string json;
  if (!decodeBase64Url(parts[0], json)) {
    return JwtStatus::HeaderNotBase64;
  }
  if (!parseJson(json, header)) {
    return JwtStatus::HeaderNotJson;
  }
  if (member(header, "alg") == nullptr) {
    return JwtStatus::HeaderBadAlg;
  }
  JwtStatus status = readText(header, "alg", JwtStatus::HeaderBadAlg, alg);
  if (status != JwtStatus::Ok) {
    return status;
  }
  if (!knownAlg(alg)) {
    return JwtStatus::HeaderUnknownAlg;
  }
  if (status = readText(header, "kid", JwtStatus::HeaderBadKid, kid); status != JwtStatus::Ok) {
    return status;
  }
  payload_text = std::string(parts[1]);
  if (!decodeBase64Url(parts[1], json)) {
    return JwtStatus::PayloadNotBase64;
  }
  if (!parseJson(json, payload)) {
    return JwtStatus::PayloadNotJson;
  }
  uint64_t iat = 0;
  std::string jti;
  const JwtStatus claims[] = {
      readText(payload, "iss", JwtStatus::IssNotString, iss),
      readText(payload, "sub", JwtStatus::SubNotString, sub),
      readTime(payload, "iat", JwtStatus::IatNotInteger, JwtStatus::IatNotPositive, iat),
      readTime(payload, "nbf", JwtStatus::NbfNotInteger, JwtStatus::NbfNotPositive, nbf),
      readTime(payload, "exp", JwtStatus::ExpNotInteger, JwtStatus::ExpNotPositive, exp),
      readText(payload, "jti", JwtStatus::JtiNotString, jti),
      readAudiences(payload, aud),
  };
  for (const JwtStatus claim : claims) {
    if (claim != JwtStatus::Ok) {
      return claim;
    }
  }
  if (!decodeBase64Url(parts[2], signature)) {
    return JwtStatus::SignatureNotBase64;
  }
  signed_text = std::string(text.substr(0, parts[0].size() + 1 + parts[1].size()));
  return JwtStatus::Ok;
}

JwtStatus JwtToken::checkTime(uint64_t now, uint64_t skew) const {
  if (nbf > now + skew) {
    return JwtStatus::NotYetValid;
  }
  if (exp != 0 && now > exp + skew) {
    return JwtStatus::Expired;
  }
  return JwtStatus::Ok;
}

absl::string_view jwtStatusText(JwtStatus status) {
  switch (status) {
    case JwtStatus::Ok:
      return "OK";
    case JwtStatus::Missing:
      return "Jwt is missing";
    case JwtStatus::NotYetValid:
      return "Jwt not yet valid";
    case JwtStatus::Expired:
      return "Jwt is expired";
    case JwtStatus::BadFormat:
      return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case JwtStatus::HeaderNotBase64:
      return "Jwt header is an invalid Base64url encoded";
    case JwtStatus::HeaderNotJson:
      return "Jwt header is an invalid JSON";
    case JwtStatus::HeaderBadAlg:
      return "Jwt header [alg] field is required and must be a string";
    case JwtStatus::HeaderUnknownAlg:
      return "Jwt header [alg] is not supported";
    case JwtStatus::HeaderBadKid:
      return "Jwt header [kid] field is not a string";
    case JwtStatus::PayloadNotBase64:
      return "Jwt payload is an invalid Base64url encoded";
    case JwtStatus::PayloadNotJson:
      return "Jwt payload is an invalid JSON";
    case JwtStatus::IssNotString:
      return "Jwt payload [iss] field is not a string";
    case JwtStatus::SubNotString:
      return "Jwt payload [sub] field is not a string";
    case JwtStatus::IatNotInteger:
      return "Jwt payload [iat] field is not an integer";
    case JwtStatus::IatNotPositive:
      return "Jwt payload [iat] field is not a positive 64 bit integer";
    case JwtStatus::NbfNotInteger:
      return "Jwt payload [nbf] field is not an integer";
    case JwtStatus::NbfNotPositive:
      return "Jwt payload [nbf] field is not a positive 64 bit integer";
    case JwtStatus::ExpNotInteger:
      return "Jwt payload [exp] field is not an integer";
    case JwtStatus::ExpNotPositive:
      return "Jwt payload [exp] field is not a positive 64 bit integer";
    case JwtStatus::JtiNotString:
      return "Jwt payload [jti] field is not a string";
    case JwtStatus::AudNotString:
      return "Jwt payload [aud] field is not a string or string list";
    case JwtStatus::SignatureNotBase64:
      return "Jwt signature is an invalid Base64url encoded";
    case JwtStatus::EdSignatureLength:
      return "Jwt ED25519 signature is wrong length";
    case JwtStatus::UnknownIssuer:
      return "Jwt issuer is not configured";
    case JwtStatus::AudienceNotAllowed:
      return "Audiences in Jwt are not allowed";
    case JwtStatus::VerificationFails:
      return "Jwt verification fails";
    case JwtStatus::KeysFetchFailed:
      return "Jwks remote fetch is failed";
    case JwtStatus::KeysNotJson:
      return "Jwks is an invalid JSON";
    case JwtStatus::KeysMissing:
      return "Jwks does not have [keys] field";
    case JwtStatus::KeysNotArray:
      return "[keys] in Jwks is not an array";
    case JwtStatus::NoValidKeys:
      return "Jwks doesn't have any valid public key";
    case JwtStatus::NoMatchingKey:
      return "Jwks doesn't have key to match kid or alg from Jwt";
  }
  return "";
}

}  // namespace sluice::filters
