#include "source/admin/redact.h"

#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "gtest/gtest.h"

namespace sluice::admin {
namespace {

using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::Secret;

TEST(RedactTest, LeavesNoPrivateKey) {
  Secret secret;
  secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("chain");
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("key");
  secret.mutable_tls_certificate()->mutable_password()->set_filename("/password");
  EXPECT_TRUE(redact(secret));
  EXPECT_EQ(secret.tls_certificate().certificate_chain().inline_string(), "chain");
  EXPECT_EQ(secret.tls_certificate().private_key().inline_string(), "[redacted]");
  EXPECT_EQ(secret.tls_certificate().password().filename(), "[redacted]");
}

TEST(RedactTest, LeavesNoTokenNorTicketKey) {
  Secret generic;
  generic.mutable_generic_secret()->mutable_secret()->set_inline_bytes("abc");
  (*generic.mutable_generic_secret()->mutable_secrets())["name"].set_inline_string("abc");
  EXPECT_TRUE(redact(generic));
  EXPECT_EQ(generic.generic_secret().secret().inline_bytes(), "[redacted]");
  EXPECT_EQ(generic.generic_secret().secrets().at("name").inline_string(), "[redacted]");
  Secret tickets;
  tickets.mutable_session_ticket_keys()->add_keys()->set_inline_bytes("abc");
  EXPECT_TRUE(redact(tickets));
  EXPECT_EQ(tickets.session_ticket_keys().keys(0).inline_bytes(), "[redacted]");
}

TEST(RedactTest, LooksIntoExtensions) {
  DownstreamTlsContext context;
  context.mutable_common_tls_context()->add_tls_certificates()->mutable_private_key()->set_inline_string("key");
  envoy::config::listener::v3::Listener listener;
  listener.set_name("l");
  listener.add_filter_chains()->mutable_transport_socket()->mutable_typed_config()->PackFrom(context);
  EXPECT_TRUE(redact(listener));
  EXPECT_EQ(listener.SerializeAsString().find("key"), std::string::npos);
  ASSERT_TRUE(listener.filter_chains(0).transport_socket().typed_config().UnpackTo(&context));
  EXPECT_EQ(context.common_tls_context().tls_certificates(0).private_key().inline_string(), "[redacted]");
}

TEST(RedactTest, LeavesTheRestAsItIs) {
  envoy::config::listener::v3::Listener listener;
  listener.set_name("l");
  listener.add_filter_chains()->add_filters()->mutable_typed_config()->set_type_url("type.googleapis.com/unknown");
  const std::string before = listener.SerializeAsString();
  EXPECT_FALSE(redact(listener));
  EXPECT_EQ(listener.SerializeAsString(), before);
}

}  // namespace
}  // namespace sluice::admin
