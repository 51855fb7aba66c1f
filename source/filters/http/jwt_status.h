#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::filters {

/** What became of a token; texts are Envoy's, since clients and alerts go by them. */
enum class JwtStatus : uint8_t {
  Ok,
  Missing,
  NotYetValid,
  Expired,
  BadFormat,
  HeaderNotBase64,
  HeaderNotJson,
  HeaderBadAlg,
  HeaderUnknownAlg,
  HeaderBadKid,
  PayloadNotBase64,
  PayloadNotJson,
  IssNotString,
  SubNotString,
  IatNotInteger,
  IatNotPositive,
  NbfNotInteger,
  NbfNotPositive,
  ExpNotInteger,
  ExpNotPositive,
  JtiNotString,
  AudNotString,
  SignatureNotBase64,
  EdSignatureLength,
  UnknownIssuer,
  AudienceNotAllowed,
  VerificationFails,
  KeysFetchFailed,
  KeysNotJson,
  KeysMissing,
  KeysNotArray,
  NoValidKeys,
  NoMatchingKey,
};

absl::string_view jwtStatusText(JwtStatus status);

}  // namespace sluice::filters
