#include "source/filters/http/hash_policy.h"

#include <gtest/gtest.h>

namespace sluice::filters {
namespace {

using http::HashPolicy;
using http::HeaderId;

class HashPolicyTest : public testing::Test {
 protected:
  std::optional<uint64_t> hash() { return requestHash(policies_, request_, info_, cookies_); }
  HashPolicy& add(HashPolicy::Kind kind, std::string key) {
    policies_.push_back({});
    policies_.back().kind = kind;
    policies_.back().key = std::move(key);
    return policies_.back();
  }

  base::Arena arena_;
  http::HeaderMap request_{arena_};
  http::StreamInfo info_;
  std::vector<HashPolicy> policies_;
  std::vector<std::string> cookies_;
};

TEST_F(HashPolicyTest, NothingFoundIsNoHash) {
  add(HashPolicy::Kind::Header, "x-user");
  add(HashPolicy::Kind::QueryParameter, "user");
  request_.add(HeaderId::Path, "/?other=1");
  EXPECT_EQ(std::nullopt, hash());
}

TEST_F(HashPolicyTest, EqualValuesGiveEqualHashes) {
  add(HashPolicy::Kind::Header, "x-user");
  request_.add("x-user", "ann");
  const auto ann = hash();
  ASSERT_TRUE(ann.has_value());
  EXPECT_EQ(ann, hash());
  request_.set("x-user", "bob");
  EXPECT_NE(ann, hash());
}

TEST_F(HashPolicyTest, SeveralValuesHashAlikeInAnyOrder) {
  add(HashPolicy::Kind::Header, "x-user");
  request_.add("x-user", "a");
  request_.add("x-user", "b");
  const auto forward = hash();
  request_.remove("x-user");
  request_.add("x-user", "b");
  request_.add("x-user", "a");
  EXPECT_EQ(forward, hash());
}

TEST_F(HashPolicyTest, AQueryParameterAndItsHeaderTwinAgree) {
  add(HashPolicy::Kind::QueryParameter, "user");
  request_.add(HeaderId::Path, "/x?a=1&user=ann#end");
  const auto from_query = hash();
  policies_.clear();
  add(HashPolicy::Kind::Header, "x-user");
  request_.add("x-user", "ann");
  EXPECT_EQ(from_query, hash());
}

TEST_F(HashPolicyTest, ATerminalPolicyEndsTheList) {
  add(HashPolicy::Kind::Header, "x-user").terminal = true;
  add(HashPolicy::Kind::Header, "x-other");
  request_.add("x-user", "ann");
  const auto first = hash();
  request_.add("x-other", "more");
  EXPECT_EQ(first, hash());
  policies_[0].terminal = false;
  EXPECT_NE(first, hash());
}

TEST_F(HashPolicyTest, AMissingCookieIsMadeOnlyWithALifetime) {
  HashPolicy& policy = add(HashPolicy::Kind::Cookie, "session");
  EXPECT_EQ(std::nullopt, hash());
  EXPECT_TRUE(cookies_.empty());
  policy.cookie_ttl = std::chrono::seconds(60);
  policy.cookie_path = "/shop";
  const auto made = hash();
  ASSERT_TRUE(made.has_value());
  ASSERT_EQ(1u, cookies_.size());
  EXPECT_EQ(0u, cookies_[0].find("session=\""));
  EXPECT_NE(std::string::npos, cookies_[0].find("; Max-Age=60; Path=/shop; HttpOnly"));

  // The client that sends it back stays where it was.
  const std::string value = cookies_[0].substr(0, cookies_[0].find(';'));
  request_.add(HeaderId::Cookie, "other=1; " + value);
  EXPECT_EQ(made, hash());
  EXPECT_EQ(1u, cookies_.size());
}

}  // namespace
}  // namespace sluice::filters
