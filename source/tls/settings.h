#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "source/matcher/ip_ranges.h"
#include "source/thread/log_file.h"
#include "source/tls/openssl_handles.h"
#include "source/tls/tls_parameters.h"

namespace sluice::tls {

/** Whether handshakes carry OCSP responses, and what becomes of them without. */
enum class OcspPolicy : uint8_t {
  /** One that is there and in date is stapled. */
  Lenient,
  /** A certificate whose response is out of date is not presented. */
  Strict,
  /** Nor is one without a response. */
  MustStaple,
};

/** Where the secrets of connections are written, for who decrypts what they recorded. */
struct KeyLog {
  std::shared_ptr<thread::LogFile> file;
  /** Empty: all addresses. */
  matcher::IpRanges local;
  matcher::IpRanges remote;
};

/** What a TLS context is configured with besides its secrets. Plain data, immutable once shared. */
struct Settings {
  /** We are the server. */
  bool server = true;

  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  CipherList ciphers = defaultCiphers();
  std::string groups = defaultGroups();
  /** Empty: OpenSSL's. */
  std::string signature_algorithms;
  /** What is offered or chosen from, in order of preference. */
  std::vector<std::string> alpn;
  std::shared_ptr<const KeyLog> key_log;

  // Servers.
  bool require_client_certificate = false;
  bool stateless_resumption = true;
  bool stateful_resumption = true;
  /** Zero: two hours. */
  std::chrono::seconds session_timeout{0};
  bool prefer_client_ciphers = false;
  bool full_scan_on_sni_mismatch = false;
  OcspPolicy ocsp_policy = OcspPolicy::Lenient;

  // Clients.
  std::string sni;
  bool auto_host_sni = false;
  bool auto_sni_san_validation = false;
  /** How many sessions are kept for resumption. */
  uint32_t max_session_keys = 1;
  bool enforce_rsa_key_usage = true;
};

}  // namespace sluice::tls
