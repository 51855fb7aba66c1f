#include "source/tls/session_ticket_keys.h"

#include <thread>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <gtest/gtest.h>

#include "source/tls/rotating_ticket_keys.h"

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

TEST(RotatingTicketKeysTest, NewKeysEveryTwoDaysAndTheLastOnesForTwoMore) {
  using std::chrono::hours;
  RotatingTicketKeys rotating;
  base::MonotonicTime now(hours(1000));
  const auto first = rotating.at(now);
  ASSERT_NE(nullptr, first);
  ASSERT_EQ(1u, first->keys().size());
  EXPECT_EQ(first, rotating.at(now + hours(48) - std::chrono::seconds(1)));
  now += hours(48);
  const auto second = rotating.at(now);
  ASSERT_EQ(2u, second->keys().size());
  EXPECT_NE(first->keys()[0].name, second->keys()[0].name);
  EXPECT_NE(first->keys()[0].hmac, second->keys()[0].hmac);
  EXPECT_NE(first->keys()[0].aes, second->keys()[0].aes);
  EXPECT_EQ(first->keys()[0].name, second->keys()[1].name);
  EXPECT_EQ(first->keys()[0].aes, second->keys()[1].aes);
  now += hours(48);
  const auto third = rotating.at(now);
  ASSERT_EQ(2u, third->keys().size());
  EXPECT_EQ(second->keys()[0].name, third->keys()[1].name);
  // Nobody asked for so long that the last keys are no longer good, either.
  now += hours(96);
  EXPECT_EQ(1u, rotating.at(now)->keys().size());
}

TEST(RotatingTicketKeysTest, AllThreadsHaveTheSame) {
  RotatingTicketKeys rotating;
  const base::MonotonicTime now(std::chrono::hours(5));
  std::vector<std::shared_ptr<const SessionTicketKeys>> seen(4);
  std::vector<std::thread> threads;
  for (auto& each : seen) {
    threads.emplace_back([&] { each = rotating.at(now); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& each : seen) {
    EXPECT_EQ(rotating.at(now), each);
  }
}

}  // namespace
}  // namespace sluice::tls
