// Without TLS none of these has a value, and most have none without a certificate.

#include "source/access_log/tls_operators.h"

#include <chrono>
#include <string>
#include <vector>

#include "source/access_log/time_argument.h"
#include "source/access_log/values.h"
#include "source/net/tls_info.h"

namespace sluice::access_log {
namespace {

using net::CertificateDetails;
using net::TlsInfo;

enum class Side { Downstream, Upstream };
enum class Whose { Peer, Local };

template <Side side>
const TlsInfo* tlsOf(const LogContext& context) {
  if constexpr (side == Side::Downstream) {
    return context.info.downstream_tls;
  } else {
    return context.info.upstream == nullptr ? nullptr : context.info.upstream->tls.get();
  }
}

template <Side side, absl::string_view (TlsInfo::*fact)() const>
bool connectionFact(const LogContext& context, const PreparedArgument&, std::string& out) {
  const TlsInfo* const tls = tlsOf<side>(context);
  return tls != nullptr && appendText((tls->*fact)(), out);
}

template <Side side, Whose whose>
const CertificateDetails* certificateOf(const LogContext& context) {
  const TlsInfo* const tls = tlsOf<side>(context);
  return tls == nullptr ? nullptr : whose == Whose::Peer ? tls->peer() : tls->local();
}

template <Side side, Whose whose, std::string CertificateDetails::*field>
bool text(const LogContext& context, const PreparedArgument&, std::string& out) {
  const CertificateDetails* const certificate = certificateOf<side, whose>(context);
  return certificate != nullptr && appendText(absl::string_view(certificate->*field), out);
}

template <Side side, Whose whose, std::vector<std::string> CertificateDetails::*field>
bool list(const LogContext& context, const PreparedArgument&, std::string& out) {
  const CertificateDetails* const certificate = certificateOf<side, whose>(context);
  if (certificate == nullptr || (certificate->*field).empty()) {
    return false;
  }
  const size_t before = out.size();
  for (const std::string& each : certificate->*field) {
    if (out.size() != before) {
      out += ',';
    }
    out += each;
  }
  return out.size() != before;
}

/** Of the certificate that the peer's own was issued by, if it sent that, too. */
template <std::vector<std::string> CertificateDetails::*field>
bool issuer(const LogContext& context, const PreparedArgument&, std::string& out) {
  const CertificateDetails* const certificate = certificateOf<Side::Downstream, Whose::Peer>(context);
  return certificate != nullptr && (certificate->*field).size() > 1 &&
         appendText(absl::string_view((certificate->*field)[1]), out);
}

template <Side side, base::SystemTime CertificateDetails::*field>
bool time(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  const CertificateDetails* const certificate = certificateOf<side, Whose::Peer>(context);
  return certificate != nullptr && appendTime(certificate->*field, TimeFormat::Zone::Utc, argument, out);
}

template <std::string net::StreamExtras::*field>
bool fingerprint(const LogContext& context, const PreparedArgument&, std::string& out) {
  const net::StreamExtras* const extras = context.info.connection().extras.get();
  return extras != nullptr && appendText(absl::string_view(extras->*field), out);
}

/** Of a request that came later than its connection's handshake it is negative, as in Envoy. */
bool handshakeDuration(const LogContext& context, const PreparedArgument&, std::string& out) {
  const base::MonotonicTime complete = context.info.downstream_handshake_complete;
  if (complete == base::MonotonicTime()) {
    return false;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(complete - context.info.start_monotonic);
  return appendSigned(took.count(), out);
}

constexpr Operator plain(absl::string_view name, absl::string_view help, AppendValue append) {
  return {name, Argument::None, help, append};
}
constexpr Operator dated(absl::string_view name, absl::string_view help, AppendValue append) {
  return {name, Argument::Optional, help, append, prepareTime};
}

using Details = CertificateDetails;
constexpr Side kDown = Side::Downstream;
constexpr Side kUp = Side::Upstream;
constexpr Whose kPeer = Whose::Peer;
constexpr Whose kLocal = Whose::Local;

constexpr Operator kOperators[] = {
    {"DOWNSTREAM_HANDSHAKE_DURATION", Argument::None,
     "Milliseconds from the start until the client's TLS handshake was complete; negative for a request that came "
     "later",
     handshakeDuration, nullptr, handshakeDuration},
    plain("DOWNSTREAM_TLS_VERSION", "The client connection's version of TLS: TLSv1.3",
          connectionFact<kDown, &TlsInfo::version>),
    plain("DOWNSTREAM_TLS_CIPHER", "Its cipher suite, in OpenSSL's spelling", connectionFact<kDown, &TlsInfo::cipher>),
    plain("DOWNSTREAM_TLS_GROUP", "The group that its keys were exchanged in: X25519",
          connectionFact<kDown, &TlsInfo::group>),
    plain("DOWNSTREAM_TLS_SESSION_ID", "Its session's id, in hexadecimal", connectionFact<kDown, &TlsInfo::sessionId>),
    plain("DOWNSTREAM_LOCAL_SUBJECT", "Subject of the certificate that the client was shown",
          text<kDown, kLocal, &Details::subject>),
    plain("DOWNSTREAM_LOCAL_URI_SAN", "The URIs in it, with commas between", list<kDown, kLocal, &Details::uri_sans>),
    plain("DOWNSTREAM_LOCAL_DNS_SAN", "The DNS names in it", list<kDown, kLocal, &Details::dns_sans>),
    plain("DOWNSTREAM_LOCAL_IP_SAN", "The IP addresses in it", list<kDown, kLocal, &Details::ip_sans>),
    plain("DOWNSTREAM_LOCAL_EMAIL_SAN", "The e-mail addresses in it", list<kDown, kLocal, &Details::email_sans>),
    plain("DOWNSTREAM_LOCAL_OTHERNAME_SAN", "The other names in it", list<kDown, kLocal, &Details::other_name_sans>),
    plain("DOWNSTREAM_PEER_SUBJECT", "Subject of the client's certificate", text<kDown, kPeer, &Details::subject>),
    plain("DOWNSTREAM_PEER_ISSUER", "Issuer of the client's certificate", text<kDown, kPeer, &Details::issuer>),
    plain("DOWNSTREAM_PEER_SERIAL", "Its serial number, in hexadecimal", text<kDown, kPeer, &Details::serial>),
    plain("DOWNSTREAM_PEER_FINGERPRINT_1", "Its SHA-1 digest, in hexadecimal", text<kDown, kPeer, &Details::sha1>),
    plain("DOWNSTREAM_PEER_FINGERPRINT_256", "Its SHA-256 digest, in hexadecimal",
          text<kDown, kPeer, &Details::sha256>),
    plain("DOWNSTREAM_PEER_CERT", "The client's certificate as PEM, escaped for a URL",
          text<kDown, kPeer, &Details::pem>),
    plain("DOWNSTREAM_PEER_URI_SAN", "The URIs in it, with commas between", list<kDown, kPeer, &Details::uri_sans>),
    plain("DOWNSTREAM_PEER_DNS_SAN", "The DNS names in it", list<kDown, kPeer, &Details::dns_sans>),
    plain("DOWNSTREAM_PEER_IP_SAN", "The IP addresses in it", list<kDown, kPeer, &Details::ip_sans>),
    plain("DOWNSTREAM_PEER_EMAIL_SAN", "The e-mail addresses in it", list<kDown, kPeer, &Details::email_sans>),
    plain("DOWNSTREAM_PEER_OTHERNAME_SAN", "The other names in it", list<kDown, kPeer, &Details::other_name_sans>),
    plain("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", "SHA-1 digests of all certificates that the client sent",
          list<kDown, kPeer, &Details::chain_sha1>),
    plain("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", "SHA-256 digests of all certificates that the client sent",
          list<kDown, kPeer, &Details::chain_sha256>),
    plain("DOWNSTREAM_PEER_CHAIN_SERIALS", "Serial numbers of all certificates that the client sent",
          list<kDown, kPeer, &Details::chain_serials>),
    plain("DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", "SHA-256 digest of the second of them: its issuer's",
          issuer<&Details::chain_sha256>),
    plain("DOWNSTREAM_PEER_ISSUER_SERIAL", "Serial number of the second of them: its issuer's",
          issuer<&Details::chain_serials>),
    dated("DOWNSTREAM_PEER_CERT_V_START", "From when on the client's certificate is valid; X is a strftime format",
          time<kDown, &Details::valid_from>),
    dated("DOWNSTREAM_PEER_CERT_V_END", "Until when the client's certificate is valid; X is a strftime format",
          time<kDown, &Details::expires>),
    plain("TLS_JA3_FINGERPRINT", "JA3 fingerprint of the client's hello, where the tls_inspector makes one",
          fingerprint<&net::StreamExtras::ja3>),
    plain("TLS_JA4_FINGERPRINT", "JA4 fingerprint of the client's hello, where the tls_inspector makes one",
          fingerprint<&net::StreamExtras::ja4>),
    plain("UPSTREAM_TLS_VERSION", "The upstream connection's version of TLS", connectionFact<kUp, &TlsInfo::version>),
    plain("UPSTREAM_TLS_CIPHER", "Its cipher suite", connectionFact<kUp, &TlsInfo::cipher>),
    plain("UPSTREAM_TLS_GROUP", "The group that its keys were exchanged in", connectionFact<kUp, &TlsInfo::group>),
    plain("UPSTREAM_TLS_SESSION_ID", "Its session's id, in hexadecimal", connectionFact<kUp, &TlsInfo::sessionId>),
    plain("UPSTREAM_SERVER_NAME", "The name that the endpoint was asked for (SNI)",
          connectionFact<kUp, &TlsInfo::serverName>),
    plain("UPSTREAM_LOCAL_SUBJECT", "Subject of our certificate towards the endpoint",
          text<kUp, kLocal, &Details::subject>),
    plain("UPSTREAM_LOCAL_URI_SAN", "The URIs in it, with commas between", list<kUp, kLocal, &Details::uri_sans>),
    plain("UPSTREAM_LOCAL_DNS_SAN", "The DNS names in it", list<kUp, kLocal, &Details::dns_sans>),
    plain("UPSTREAM_LOCAL_IP_SAN", "The IP addresses in it", list<kUp, kLocal, &Details::ip_sans>),
    plain("UPSTREAM_PEER_SUBJECT", "Subject of the endpoint's certificate", text<kUp, kPeer, &Details::subject>),
    plain("UPSTREAM_PEER_ISSUER", "Issuer of the endpoint's certificate", text<kUp, kPeer, &Details::issuer>),
    plain("UPSTREAM_PEER_CERT", "The endpoint's certificate as PEM, escaped for a URL",
          text<kUp, kPeer, &Details::pem>),
    plain("UPSTREAM_PEER_URI_SAN", "The URIs in it, with commas between", list<kUp, kPeer, &Details::uri_sans>),
    plain("UPSTREAM_PEER_DNS_SAN", "The DNS names in it", list<kUp, kPeer, &Details::dns_sans>),
    plain("UPSTREAM_PEER_IP_SAN", "The IP addresses in it", list<kUp, kPeer, &Details::ip_sans>),
    dated("UPSTREAM_PEER_CERT_V_START", "From when on the endpoint's certificate is valid; X is a strftime format",
          time<kUp, &Details::valid_from>),
    dated("UPSTREAM_PEER_CERT_V_END", "Until when the endpoint's certificate is valid; X is a strftime format",
          time<kUp, &Details::expires>),
};

}  // namespace

void addTlsOperators(OperatorTable& table) {
  for (const Operator& op : kOperators) {
    table.add(op);
  }
}

}  // namespace sluice::access_log
