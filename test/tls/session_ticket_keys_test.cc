#include "source/tls/session_ticket_keys.h"

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <gtest/gtest.h>

namespace sluice::tls {
namespace {

TEST(SessionTicketKeysTest, TakesKeysOfEightyBytesInTheirOrder) {
  SessionTicketKeys::Proto message;
  message.add_keys()->set_inline_bytes(std::string(16, 'n') + std::string(32, 'h') + std::string(32, 'a'));
  message.add_keys()->set_inline_bytes(std::string(80, 'o'));
  config::Violations violations;
  const auto made = SessionTicketKeys::create(message, config::FieldPath("t"), violations);
  ASSERT_NE(nullptr, made);
  ASSERT_EQ(2u, made->keys().size());
  EXPECT_EQ('n', made->keys()[0].name[15]);
  EXPECT_EQ('h', made->keys()[0].hmac[0]);
  EXPECT_EQ('a', made->keys()[0].aes[31]);
  EXPECT_EQ('o', made->keys()[1].name[0]);
}

TEST(SessionTicketKeysTest, RefusesOthersByTheirPlace) {
  SessionTicketKeys::Proto message;
  config::Violations violations;
  EXPECT_EQ(nullptr, SessionTicketKeys::create(message, config::FieldPath("t"), violations));
  message.add_keys()->set_inline_bytes(std::string(80, 'o'));
  message.add_keys()->set_inline_bytes(std::string(48, 'o'));
  violations = {};
  EXPECT_EQ(nullptr, SessionTicketKeys::create(message, config::FieldPath("t"), violations));
  EXPECT_EQ("t.keys[1]: a session ticket key has 80 bytes, and this has 48\n",
            violations.toString() + (violations.toString().back() == '\n' ? "" : "\n"));
}

}  // namespace
}  // namespace sluice::tls
