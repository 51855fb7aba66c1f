#include "source/cluster/grpc_tls.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

#include "source/xds/grpc_channel.h"
#include "test/support/certificates.h"

namespace sluice::cluster {
namespace {

using test::CertificateRequest;
using test::TestAuthority;
using test::TestCertificate;

class GrpcTlsTest : public ::testing::Test {
 protected:
  /** A server that shows this certificate; with `clients` only to who has one of theirs. */
  void serve(const TestCertificate& certificate, const TestAuthority* clients = nullptr) {
    grpc::SslServerCredentialsOptions options(clients == nullptr
                                                  ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                  : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_key_cert_pairs.push_back({certificate.key_pem, certificate.chain()});
    if (clients != nullptr) {
      options.pem_root_certs = clients->pem();
    }
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  bool connects(GrpcTls& tls, std::chrono::seconds patience = std::chrono::seconds(20)) {
    xds::ChannelTarget target;
    target.endpoints.push_back({xds::ChannelTarget::Endpoint::Kind::Ip, "127.0.0.1", static_cast<uint32_t>(port_)});
    target.authority = "cluster";
    target.credentials = [&tls] { return tls.credentials(); };
    target.tls_server_name = tls.serverName();
    const auto maker = xds::ChannelMaker::create(std::move(target));
    const auto channel = (*maker)->make();
    return channel->WaitForConnected(std::chrono::system_clock::now() + patience);
  }
  bool isRefused(GrpcTls& tls) { return !connects(tls, std::chrono::seconds(2)); }

  std::shared_ptr<GrpcTls> make(const GrpcTls::UpstreamTlsContext& context) {
    config::Violations violations;
    auto made = GrpcTls::create(context, config::FieldPath(), violations);
    EXPECT_NE(made, nullptr) << violations.toString();
    return made;
  }
  static std::string refusal(const GrpcTls::UpstreamTlsContext& context) {
    config::Violations violations;
    EXPECT_EQ(GrpcTls::create(context, config::FieldPath("tls"), violations), nullptr);
    return violations.toString();
  }
  GrpcTls::UpstreamTlsContext trusting(const TestAuthority& authority) {
    GrpcTls::UpstreamTlsContext context;
    *context.mutable_common_tls_context()->mutable_validation_context() = authority.config();
    return context;
  }
  static void wantUri(GrpcTls::UpstreamTlsContext& context, const std::string& uri) {
    auto* name =
        context.mutable_common_tls_context()->mutable_validation_context()->add_match_typed_subject_alt_names();
    name->set_san_type(envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher::URI);
    name->mutable_matcher()->set_exact(uri);
  }

  TestAuthority authority_;
  grpc::CallbackGenericService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(GrpcTlsTest, TrustsWhatTheAuthoritySigned) {
  serve(authority_.issueFor({"control.plane"}));
  const auto trusting_it = make(trusting(authority_));
  EXPECT_TRUE(connects(*trusting_it));
  const TestAuthority other("Other CA");
  const auto trusting_another = make(trusting(other));
  EXPECT_TRUE(isRefused(*trusting_another));
  // As in Envoy, no validation context asks for nothing.
  const auto careless = make({});
  EXPECT_TRUE(connects(*careless));
}

TEST_F(GrpcTlsTest, AsksForOneOfTheNames) {
  CertificateRequest request;
  request.uris = {"spiffe://mesh/istiod"};
  serve(authority_.issue(request));
  GrpcTls::UpstreamTlsContext right = trusting(authority_);
  wantUri(right, "spiffe://mesh/other");
  const auto wrong = make(right);
  EXPECT_TRUE(isRefused(*wrong));
  wantUri(right, "spiffe://mesh/istiod");
  EXPECT_TRUE(connects(*make(right)));
}

TEST_F(GrpcTlsTest, ShowsItsOwnCertificateAndReadsItAnewForEachConnection) {
  const TestAuthority clients("Clients CA");
  const TestAuthority strangers("Strangers CA");
  serve(authority_.issueFor({"control.plane"}), &clients);
  const std::string folder = ::testing::TempDir();
  const std::string chain = absl::StrCat(folder, "/chain-", getpid(), ".pem");
  const std::string key = absl::StrCat(folder, "/key-", getpid(), ".pem");
  const auto write = [&](const TestCertificate& certificate) {
    for (const auto& [path, content] : {std::pair(chain, certificate.chain()), std::pair(key, certificate.key_pem)}) {
      FILE* file = fopen(path.c_str(), "w");
      ASSERT_NE(file, nullptr);
      fwrite(content.data(), 1, content.size(), file);
      fclose(file);
    }
  };
  write(strangers.issueFor({"me"}));
  GrpcTls::UpstreamTlsContext context = trusting(authority_);
  context.set_sni("control.plane");
  auto* own = context.mutable_common_tls_context()->add_tls_certificates();
  own->mutable_certificate_chain()->set_filename(chain);
  own->mutable_private_key()->set_filename(key);
  const auto tls = make(context);
  EXPECT_TRUE(isRefused(*tls));
  write(clients.issueFor({"me"}));
  EXPECT_TRUE(connects(*tls));
  // What cannot be read leaves what was read before.
  unlink(key.c_str());
  EXPECT_TRUE(connects(*tls));
  unlink(chain.c_str());
}

TEST_F(GrpcTlsTest, RefusesWhatGrpcHasNoSettingFor) {
  GrpcTls::UpstreamTlsContext context;
  context.set_allow_renegotiation(true);
  auto* common = context.mutable_common_tls_context();
  common->add_tls_certificate_sds_secret_configs()->set_name("default");
  common->mutable_tls_params()->add_cipher_suites("ECDHE-RSA-AES128-GCM-SHA256");
  common->mutable_tls_params()->set_tls_minimum_protocol_version(
      envoy::extensions::transport_sockets::tls::v3::TlsParameters::TLSv1_3);
  const std::string told = refusal(context);
  for (const char* path : {"tls.allow_renegotiation: gRPC", "tls.common_tls_context.tls_certificate_sds_secret_configs",
                           "tls.common_tls_context.tls_params.cipher_suites",
                           "tls.common_tls_context.tls_params.tls_minimum_protocol_version"}) {
    EXPECT_NE(told.find(path), std::string::npos) << told;
  }
}

TEST_F(GrpcTlsTest, RefusesACertificateWithAnothersKey) {
  GrpcTls::UpstreamTlsContext context;
  auto* own = context.mutable_common_tls_context()->add_tls_certificates();
  *own = authority_.issueFor({"a"}, CertificateRequest::Key::Ec384).config();
  *own->mutable_private_key() = authority_.issueFor({"b"}).config().private_key();
  EXPECT_NE(refusal(context).find("tls.common_tls_context.tls_certificates[0]"), std::string::npos);
}

}  // namespace
}  // namespace sluice::cluster
