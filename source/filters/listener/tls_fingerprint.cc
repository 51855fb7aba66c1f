#include "source/filters/listener/tls_fingerprint.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <openssl/evp.h>

namespace sluice::filters {
namespace {

constexpr uint16_t kServerNameExtension = 0;
constexpr uint16_t kAlpnExtension = 16;

std::string hexDigest(const EVP_MD* algorithm, const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, algorithm, nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

std::vector<uint16_t> withoutGrease(std::vector<uint16_t> values) {
  std::erase_if(values, isGrease);
  return values;
}

std::string hexList(const std::vector<uint16_t>& values) {
  return absl::StrJoin(
      values, ",", [](std::string* out, uint16_t value) { absl::StrAppend(out, absl::Hex(value, absl::kZeroPad4)); });
}

/** Twelve digits that stand for a list. */
std::string shortHash(const std::string& list) {
  return list.empty() ? "000000000000" : hexDigest(EVP_sha256(), list).substr(0, 12);
}

absl::string_view versionName(uint16_t version) {
  switch (version) {
    case 0x0304:
      return "13";
    case 0x0303:
      return "12";
    case 0x0302:
      return "11";
    case 0x0301:
      return "10";
    case 0x0300:
      return "s3";
    case 0x0200:
      return "s2";
    case 0x0100:
      return "s1";
    default:
      return "00";
  }
}

/** The first protocol's first and last character, or of its bytes in hexadecimal where these are no letters or digits. */
std::string protocolName(const ClientHello& hello) {
  if (hello.application_protocols.empty()) {
    return "00";
  }
  const absl::string_view protocol = hello.application_protocols.front();
  if (absl::ascii_isalnum(protocol.front()) && absl::ascii_isalnum(protocol.back())) {
    return {protocol.front(), protocol.back()};
  }
  const std::string hex = absl::BytesToHexString(protocol);
  return {hex.front(), hex.back()};
}

std::string count(size_t number) { return absl::StrCat(absl::Dec(std::min<size_t>(number, 99), absl::kZeroPad2)); }

}  // namespace

std::string ja3(const ClientHello& hello) {
  std::vector<int> formats;
  for (char format : hello.point_formats) {
    formats.push_back(static_cast<uint8_t>(format));
  }
  return hexDigest(EVP_md5(),
                   absl::StrCat(hello.legacy_version, ",", absl::StrJoin(withoutGrease(hello.cipher_suites), "-"), ",",
                                absl::StrJoin(withoutGrease(hello.extensions), "-"), ",",
                                absl::StrJoin(withoutGrease(hello.groups), "-"), ",", absl::StrJoin(formats, "-")));
}

std::string ja4(const ClientHello& hello) {
  std::vector<uint16_t> ciphers = withoutGrease(hello.cipher_suites);
  std::vector<uint16_t> extensions = withoutGrease(hello.extensions);
  const std::vector<uint16_t> versions = withoutGrease(hello.versions);
  const uint16_t version =
      versions.empty() ? hello.legacy_version : *std::max_element(versions.begin(), versions.end());
  std::string fingerprint = absl::StrCat("t", versionName(version), hello.has_server_name ? "d" : "i",
                                         count(ciphers.size()), count(extensions.size()), protocolName(hello), "_");
  std::sort(ciphers.begin(), ciphers.end());
  absl::StrAppend(&fingerprint, shortHash(hexList(ciphers)), "_");
  // What the client talks to is no part of what it is.
  std::erase_if(extensions, [](uint16_t type) { return type == kServerNameExtension || type == kAlpnExtension; });
  std::sort(extensions.begin(), extensions.end());
  std::string hashed = hexList(extensions);
  if (!hashed.empty() && !hello.signature_algorithms.empty()) {
    absl::StrAppend(&hashed, "_", hexList(withoutGrease(hello.signature_algorithms)));
  }
  absl::StrAppend(&fingerprint, shortHash(hashed));
  return fingerprint;
}

}  // namespace sluice::filters
