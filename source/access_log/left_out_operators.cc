// What Envoy's formats may use and Sluice's may not, with the reason that a refusal tells.

#include "source/access_log/operators.h"

namespace sluice::access_log {
namespace {

constexpr struct {
  absl::string_view name;
  Argument argument;
  absl::string_view why;
} kLeftOut[] = {
    {"CEL", Argument::Required, "there is no CEL engine"},
    {"TYPED_CEL", Argument::Required, "there is no CEL engine"},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", Argument::None, "upstream connections are not asked how they ended"},
    {"UPSTREAM_LOCAL_CLOSE_REASON", Argument::None, "see %UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"FILE_CONTENT", Argument::Required, "it is an extension of Envoy that is not there"},
    {"SECRET", Argument::Required, "it is an extension of Envoy that is not there"},
    {"ROUNDTRIP_DURATION", Argument::None, "there is no QUIC"},
};

/** All of these want a certificate or a handshake. */
constexpr absl::string_view kTls[] = {
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "UPSTREAM_LOCAL_DNS_SAN",
    "UPSTREAM_LOCAL_IP_SAN",
    "UPSTREAM_LOCAL_SUBJECT",
    "UPSTREAM_LOCAL_URI_SAN",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
};
constexpr absl::string_view kTlsTimes[] = {
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_CERT_V_START",
};

}  // namespace

void addLeftOutOperators(OperatorTable& table) {
  for (const auto& [name, argument, why] : kLeftOut) {
    table.add({name, argument, why, nullptr});
  }
  for (const absl::string_view name : kTls) {
    table.add({name, Argument::None, "there is no TLS yet", nullptr});
  }
  for (const absl::string_view name : kTlsTimes) {
    table.add({name, Argument::Optional, "there is no TLS yet", nullptr});
  }
}

}  // namespace sluice::access_log
