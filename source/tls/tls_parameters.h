#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::tls {

/** A cipher list as OpenSSL takes it. */
struct CipherList {
  std::string text;
  /** A group of equals, "[A|B]", holds ChaCha20 beside AES: the client's preference between them counts. */
  bool client_chooses_chacha = false;
};

/** Envoy's defaults. */
CipherList defaultCiphers();
std::string defaultGroups();

/**
 * Reads lists in BoringSSL's spelling, as Envoy's documentation has it; TLS 1.3's cipher suites are not among them. The
 * error names each entry that is not known.
 */
absl::StatusOr<CipherList> readCiphers(const std::vector<std::string>& entries);
/** To "X25519:P-256". */
absl::StatusOr<std::string> readGroups(const std::vector<std::string>& names);
absl::StatusOr<std::string> readSignatureAlgorithms(std::vector<std::string> names);

/** "P-256" of NID_X9_62_prime256v1, as BoringSSL has it; "" for no group. */
const char* groupName(int nid);
/** "ecdsa_secp256r1_sha256" of a key's kind and a digest; "" for what has no name. */
const char* signatureName(int key_nid, int digest_nid);

}  // namespace sluice::tls
