#include "source/http/request_headers.h"

#include <string>

#include "gtest/gtest.h"

#include "source/http/path_normalization.h"
#include "source/http/stream_info.h"
#include "test/support/fake_tls_info.h"

namespace sluice::http {
namespace {

class RequestHeadersTest : public testing::Test {
 protected:
  RequestHeadersTest() {
    headers_.add(HeaderId::Method, "GET");
    headers_.add(HeaderId::Authority, "host.test");
    headers_.add(HeaderId::Path, "/");
    settings_.local_address = "192.0.2.1";
  }
  SanitizedRequest sanitize(absl::string_view peer = "203.0.113.9") {
    const net::Address remote = *net::Address::ip(peer, 4000);
    const net::Address local = *net::Address::ip("10.0.0.1", 8080);
    return sanitizeRequest(headers_, settings_, {remote, local, nullptr, internal_only_}, info_);
  }
  std::string path(absl::string_view from, PathOutcome expected = PathOutcome::Continue) {
    headers_.set(HeaderId::Path, from);
    EXPECT_EQ(normalizePath(headers_, settings_), expected) << from;
    return std::string(headers_.get(HeaderId::Path));
  }
  std::string host(absl::string_view from) {
    headers_.set(HeaderId::Authority, from);
    normalizeHost(headers_, settings_, 8080);
    return std::string(headers_.get(HeaderId::Authority));
  }

  base::Arena arena_;
  HeaderMap headers_{arena_};
  StreamInfo info_;
  RequestHeaderSettings settings_;
  std::vector<std::string> internal_only_;
};

TEST_F(RequestHeadersTest, AnEdgeTellsTheNextHopWhoTheClientIs) {
  settings_.use_remote_address = true;
  headers_.add(HeaderId::ForwardedFor, "1.2.3.4");
  headers_.add(HeaderId::ForwardedProto, "https");
  headers_.add(HeaderId::EnvoyInternalRequest, "true");
  headers_.add(HeaderId::EnvoyRetryOn, "5xx");
  headers_.add(HeaderId::EnvoyDownstreamServiceCluster, "forged");
  headers_.add(HeaderId::RequestId, "forged");
  const SanitizedRequest out = sanitize();
  EXPECT_EQ(headers_.get(HeaderId::ForwardedFor), "1.2.3.4,203.0.113.9");
  EXPECT_EQ(headers_.get(HeaderId::ForwardedProto), "http");
  EXPECT_EQ(headers_.get(HeaderId::Scheme), "http");
  EXPECT_EQ(headers_.get(HeaderId::EnvoyExternalAddress), "203.0.113.9");
  EXPECT_FALSE(headers_.has(HeaderId::EnvoyInternalRequest));
  EXPECT_FALSE(headers_.has(HeaderId::EnvoyRetryOn));
  EXPECT_FALSE(headers_.has(HeaderId::EnvoyDownstreamServiceCluster));
  EXPECT_EQ(headers_.get(HeaderId::RequestId).size(), 36u);
  EXPECT_EQ(out.remote.ipString(), "203.0.113.9");
  EXPECT_FALSE(out.internal);
}

TEST_F(RequestHeadersTest, AnEdgeBehindTrustedProxiesBelievesThem) {
  settings_.use_remote_address = true;
  settings_.xff_num_trusted_hops = 1;
  headers_.add(HeaderId::ForwardedFor, "6.6.6.6, 1.2.3.4");
  headers_.add(HeaderId::ForwardedProto, "https");
  EXPECT_EQ(sanitize().remote.ipString(), "1.2.3.4");
  EXPECT_EQ(headers_.get(HeaderId::ForwardedProto), "https");
  EXPECT_EQ(headers_.get(HeaderId::Scheme), "https");
}

TEST_F(RequestHeadersTest, BehindTheEdgeTheLastAddressCounts) {
  headers_.add(HeaderId::ForwardedFor, "6.6.6.6, 1.2.3.4");
  headers_.add(HeaderId::RequestId, "kept");
  EXPECT_EQ(sanitize().remote.ipString(), "1.2.3.4");
  EXPECT_EQ(headers_.get(HeaderId::ForwardedFor), "6.6.6.6, 1.2.3.4");
  EXPECT_EQ(headers_.get(HeaderId::RequestId), "kept");
  EXPECT_FALSE(headers_.has(HeaderId::EnvoyExternalAddress));
}

TEST_F(RequestHeadersTest, ASingleInternalAddressMakesAnInternalRequest) {
  settings_.internal_addresses.ranges.push_back({*net::Address::ip("10.0.0.0", 0), 8});
  headers_.add(HeaderId::ForwardedFor, "10.9.8.7");
  headers_.add(HeaderId::EnvoyRetryOn, "5xx");
  EXPECT_TRUE(sanitize().internal);
  EXPECT_EQ(headers_.get(HeaderId::EnvoyInternalRequest), "true");
  EXPECT_TRUE(headers_.has(HeaderId::EnvoyRetryOn));

  headers_.set(HeaderId::ForwardedFor, "1.1.1.1, 10.9.8.7");
  EXPECT_FALSE(sanitize().internal);
}

TEST_F(RequestHeadersTest, TheLoopbackPeerIsToldByOurOwnAddress) {
  settings_.use_remote_address = true;
  sanitize("127.0.0.1");
  EXPECT_EQ(headers_.get(HeaderId::ForwardedFor), "192.0.2.1");
}

TEST_F(RequestHeadersTest, HopByHopHeadersGo) {
  for (const HeaderId id : {HeaderId::Connection, HeaderId::KeepAlive, HeaderId::ProxyConnection,
                            HeaderId::TransferEncoding, HeaderId::Upgrade}) {
    headers_.add(id, "x");
  }
  headers_.add(HeaderId::Te, "gzip, trailers;q=1");
  internal_only_ = {"x-inside"};
  headers_.add("x-inside", "1");
  sanitize();
  EXPECT_FALSE(headers_.has(HeaderId::Connection) || headers_.has(HeaderId::KeepAlive) ||
               headers_.has(HeaderId::ProxyConnection) || headers_.has(HeaderId::TransferEncoding) ||
               headers_.has(HeaderId::Upgrade) || headers_.has("x-inside"));
  EXPECT_FALSE(headers_.has(HeaderId::Te));
}

TEST_F(RequestHeadersTest, AnUpgradeKeepsItsHeaders) {
  headers_.add(HeaderId::Connection, "keep-alive, Upgrade");
  headers_.add(HeaderId::Upgrade, "websocket");
  headers_.add(HeaderId::Te, "trailers");
  sanitize();
  EXPECT_EQ(headers_.get(HeaderId::Upgrade), "websocket");
  EXPECT_FALSE(headers_.has(HeaderId::ContentLength));
  EXPECT_EQ(headers_.get(HeaderId::Te), "trailers");
}

TEST_F(RequestHeadersTest, CustomDetectionRefusesWithoutAnAddress) {
  OriginalIpDetection how;
  how.kind = OriginalIpDetection::Kind::CustomHeader;
  how.header = "x-client";
  how.reject_status = 403;
  settings_.original_ip.push_back(how);
  EXPECT_EQ(sanitize().reject_status, 403u);
  headers_.add("x-client", "9.9.9.9");
  EXPECT_EQ(sanitize().remote.ipString(), "9.9.9.9");
}

TEST_F(RequestHeadersTest, AddsViaUserAgentAndPort) {
  settings_.via = "edge";
  settings_.user_agent = "mycluster";
  settings_.node_id = "node-1";
  settings_.append_x_forwarded_port = true;
  headers_.add(HeaderId::Via, "1.1 other");
  sanitize();
  EXPECT_EQ(headers_.get(HeaderId::Via), "1.1 other, edge");
  EXPECT_EQ(headers_.get(HeaderId::UserAgent), "mycluster");
  EXPECT_EQ(headers_.get(HeaderId::EnvoyDownstreamServiceNode), "node-1");
  EXPECT_EQ(headers_.get(HeaderId::ForwardedPort), "8080");
}

TEST_F(RequestHeadersTest, ForwardedClientCertIsForgedWithoutMutualTls) {
  headers_.add(HeaderId::ForwardedClientCert, "By=forged");
  settings_.forward_client_cert = ForwardClientCert::AppendForward;
  sanitize();
  EXPECT_FALSE(headers_.has(HeaderId::ForwardedClientCert));
}

class ForwardedClientCertTest : public RequestHeadersTest {
 protected:
  ForwardedClientCertTest() {
    headers_.add(HeaderId::ForwardedClientCert, "By=before");
    settings_.client_cert_details = {.subject = true, .dns = true, .uri = true};
    tls_.local_certificate.emplace().uri_sans = {"spiffe://td/us"};
    net::CertificateDetails& peer = tls_.peer_certificate.emplace();
    peer.sha256 = "ab12";
    peer.subject = "CN=me,O=us";
    peer.pem = "PEM";
    peer.chain_pem = "PEMPEM";
    peer.uri_sans = {"spiffe://td/me", "spiffe://td/too"};
    peer.dns_sans = {"me.test"};
  }
  std::string forward(ForwardClientCert mode) {
    settings_.forward_client_cert = mode;
    const net::Address peer = *net::Address::ip("1.1.1.1", 1);
    sanitizeRequest(headers_, settings_, {peer, peer, &tls_, {}}, info_);
    return std::string(headers_.get(HeaderId::ForwardedClientCert));
  }

  test::FakeTlsInfo tls_;
};

constexpr char kSet[] =
    "By=spiffe://td/us;Hash=ab12;Subject=\"CN=me,O=us\";URI=spiffe://td/me;URI=spiffe://td/too;DNS=me.test";

TEST_F(ForwardedClientCertTest, IsSetInPlaceOfWhatCame) { EXPECT_EQ(forward(ForwardClientCert::SanitizeSet), kSet); }

TEST_F(ForwardedClientCertTest, IsAppendedToWhatCame) {
  EXPECT_EQ(forward(ForwardClientCert::AppendForward), std::string("By=before,") + kSet);
}

TEST_F(ForwardedClientCertTest, IsForwardedAsItCame) {
  EXPECT_EQ(forward(ForwardClientCert::ForwardOnly), "By=before");
}

TEST_F(ForwardedClientCertTest, IsNotForwarded) {
  forward(ForwardClientCert::Sanitize);
  EXPECT_FALSE(headers_.has(HeaderId::ForwardedClientCert));
}

TEST_F(ForwardedClientCertTest, OfAClientThatShowedNoneIsForwardedByRequestAlone) {
  tls_.peer_certificate.reset();
  EXPECT_EQ(forward(ForwardClientCert::AlwaysForwardOnly), "By=before");
  forward(ForwardClientCert::ForwardOnly);
  EXPECT_FALSE(headers_.has(HeaderId::ForwardedClientCert));
}

TEST_F(ForwardedClientCertTest, HoldsTheCertificatesThatAreAskedFor) {
  settings_.client_cert_details = {.cert = true, .chain = true, .uri = true};
  tls_.local_certificate.reset();
  tls_.peer_certificate->uri_sans.clear();
  EXPECT_EQ(forward(ForwardClientCert::SanitizeSet), "Hash=ab12;Cert=\"PEM\";Chain=\"PEMPEM\";URI=");
}

TEST_F(ForwardedClientCertTest, TlsMakesTheSchemeHttps) {
  settings_.use_remote_address = true;
  forward(ForwardClientCert::Sanitize);
  EXPECT_EQ(headers_.get(HeaderId::ForwardedProto), "https");
  EXPECT_EQ(headers_.get(HeaderId::Scheme), "https");
}

TEST_F(RequestHeadersTest, UuidsAreOfVersionFour) {
  char id[36];
  makeUuid(id);
  const std::string text(id, 36);
  EXPECT_EQ(text[8], '-');
  EXPECT_EQ(text[13], '-');
  EXPECT_EQ(text[14], '4');
  EXPECT_EQ(text[18], '-');
  EXPECT_TRUE(text[19] == '8' || text[19] == '9' || text[19] == 'a' || text[19] == 'b') << text;
  EXPECT_EQ(text[23], '-');
  EXPECT_EQ(text.find_first_not_of("0123456789abcdef-"), std::string::npos);
}

TEST_F(RequestHeadersTest, PathsStayUnlessAskedOtherwise) {
  EXPECT_EQ(path("/a/../b//c%2e"), "/a/../b//c%2e");
  path("/a#b", PathOutcome::Reject);
}

TEST_F(RequestHeadersTest, NormalizesPaths) {
  settings_.normalize_path = true;
  EXPECT_EQ(path("/a/../b"), "/b");
  EXPECT_EQ(path("/a/./b/"), "/a/b/");
  EXPECT_EQ(path("/a/b/.."), "/a/");
  EXPECT_EQ(path("/../../a"), "/a");
  EXPECT_EQ(path("/.."), "/");
  EXPECT_EQ(path("/a/%2e%2E/b?x=/../y"), "/b?x=/../y");
  EXPECT_EQ(path("/a\\b"), "/a/b");
  EXPECT_EQ(path("/%41%2f%7E"), "/A%2f~");
  EXPECT_EQ(path("//a//b"), "//a//b");
  EXPECT_EQ(path("/..."), "/...");
  EXPECT_EQ(path("/a/.b"), "/a/.b");
  path("/%00", PathOutcome::Reject);
}

TEST_F(RequestHeadersTest, MergesSlashes) {
  settings_.merge_slashes = true;
  EXPECT_EQ(path("//a///b?c//d"), "/a/b?c//d");
}

TEST_F(RequestHeadersTest, EscapedSlashes) {
  settings_.escaped_slashes = EscapedSlashes::UnescapeAndForward;
  EXPECT_EQ(path("/a%2Fb%5cc"), "/a/b\\c");
  settings_.escaped_slashes = EscapedSlashes::UnescapeAndRedirect;
  EXPECT_EQ(path("/a%2fb", PathOutcome::Redirect), "/a/b");
  EXPECT_EQ(path("/a%20b"), "/a%20b");
  settings_.escaped_slashes = EscapedSlashes::Reject;
  path("/a%2fb", PathOutcome::Reject);
}

TEST_F(RequestHeadersTest, StripsPortsAndDots) {
  settings_.strip_port = StripPort::Matching;
  EXPECT_EQ(host("a.test:8080"), "a.test");
  EXPECT_EQ(host("a.test:81"), "a.test:81");
  settings_.strip_port = StripPort::Any;
  EXPECT_EQ(host("a.test:81"), "a.test");
  EXPECT_EQ(host("[::1]:81"), "[::1]");
  EXPECT_EQ(host("[::1]"), "[::1]");
  settings_.strip_trailing_host_dot = true;
  settings_.strip_port = StripPort::None;
  EXPECT_EQ(host("a.test."), "a.test");
  EXPECT_EQ(host("a.test.:81"), "a.test:81");
}

}  // namespace
}  // namespace sluice::http
