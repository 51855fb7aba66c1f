#include "source/xds/sotw_type.h"

#include "gtest/gtest.h"

#include "test/xds/requests.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryRequest;
using test::error;
using test::names;
using test::Names;

TEST(SotwType, SaysNothingWithoutStreamOrInterest) {
  SotwType type("t");
  EXPECT_FALSE(type.wantsToSend());
  type.addInterest({});
  EXPECT_FALSE(type.wantsToSend());
  type.removeInterest({});
  type.streamOpened();
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, AsksForAllWithoutNames) {
  SotwType type("t");
  type.addInterest({});
  type.streamOpened();
  ASSERT_TRUE(type.wantsToSend());
  const DiscoveryRequest request = type.takeRequest();
  EXPECT_EQ(request.type_url(), "t");
  EXPECT_EQ(request.version_info(), "");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(request.resource_names_size(), 0);
  EXPECT_FALSE(request.has_error_detail());
  EXPECT_FALSE(type.wantsToSend());
  EXPECT_TRUE(type.asked());
}

TEST(SotwType, AcknowledgesWithVersionNonceAndAllNames) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"b", "a"});
  EXPECT_EQ(names(type.takeRequest()), (Names{"a", "b"}));
  type.answer("v1", "n1", std::nullopt);
  ASSERT_TRUE(type.wantsToSend());
  const DiscoveryRequest ack = type.takeRequest();
  EXPECT_EQ(ack.version_info(), "v1");
  EXPECT_EQ(ack.response_nonce(), "n1");
  EXPECT_EQ(names(ack), (Names{"a", "b"}));
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, RefusesWithTheLastGoodVersion) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({});
  type.takeRequest();
  type.answer("v1", "n1", error("first one is bad"));
  DiscoveryRequest nack = type.takeRequest();
  EXPECT_EQ(nack.version_info(), "");
  EXPECT_EQ(nack.response_nonce(), "n1");
  EXPECT_EQ(nack.error_detail().message(), "first one is bad");
  type.answer("v2", "n2", std::nullopt);
  type.takeRequest();
  type.answer("v3", "n3", error("bad"));
  nack = type.takeRequest();
  EXPECT_EQ(nack.version_info(), "v2");
  EXPECT_EQ(nack.response_nonce(), "n3");
  EXPECT_EQ(type.version(), "v2");
}

TEST(SotwType, EachResponseHasItsAnswerEvenIfTheyGoOutTogether) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({});
  type.takeRequest();
  type.answer("v1", "n1", std::nullopt);
  type.answer("v2", "n2", error("bad"));
  type.answer("v3", "n3", std::nullopt);
  DiscoveryRequest request = type.takeRequest();
  EXPECT_EQ(request.version_info() + request.response_nonce(), "v1n1");
  request = type.takeRequest();
  EXPECT_EQ(request.version_info() + request.response_nonce(), "v1n2");
  EXPECT_TRUE(request.has_error_detail());
  request = type.takeRequest();
  EXPECT_EQ(request.version_info() + request.response_nonce(), "v3n3");
  EXPECT_FALSE(request.has_error_detail());
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, ChangeOfNamesIsARequestWithTheLastAnsweredNonce) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"a"});
  type.takeRequest();
  type.answer("v1", "n1", std::nullopt);
  type.takeRequest();
  type.addInterest({"b"});
  ASSERT_TRUE(type.wantsToSend());
  DiscoveryRequest request = type.takeRequest();
  EXPECT_EQ(request.version_info(), "v1");
  EXPECT_EQ(request.response_nonce(), "n1");
  EXPECT_EQ(names(request), (Names{"a", "b"}));
  // With an answer under way, the names go with it.
  type.answer("v2", "n2", std::nullopt);
  type.addInterest({"c"});
  request = type.takeRequest();
  EXPECT_EQ(request.response_nonce(), "n2");
  EXPECT_EQ(names(request), (Names{"a", "b", "c"}));
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, InterestInANameIsCounted) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"a"});
  type.takeRequest();
  type.addInterest({"a"});
  EXPECT_FALSE(type.wantsToSend());
  type.removeInterest({"a"});
  EXPECT_FALSE(type.wantsToSend());
  EXPECT_TRUE(type.wants("a"));
  type.removeInterest({"a"});
  EXPECT_FALSE(type.wants("a"));
  // Nothing is wanted any more, and the server is told so.
  ASSERT_TRUE(type.wantsToSend());
  EXPECT_TRUE(names(type.takeRequest()).empty());
}

TEST(SotwType, NamesThatCameAndWentBeforeAnythingWasAskedAreNotTold) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"a"});
  type.removeInterest({"a"});
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, WildcardBesideNamesIsSpeltOut) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"a"});
  type.takeRequest();
  type.addInterest({});
  EXPECT_EQ(names(type.takeRequest()), (Names{"*", "a"}));
  type.removeInterest({"a"});
  EXPECT_EQ(names(type.takeRequest()), (Names{"*"}));
}

TEST(SotwType, NewStreamIsToldVersionAndNamesButNoNonce) {
  SotwType type("t");
  type.streamOpened();
  type.addInterest({"a"});
  type.takeRequest();
  type.answer("v1", "n1", std::nullopt);
  type.answer("v2", "n2", error("bad"));
  type.streamClosed();
  EXPECT_FALSE(type.wantsToSend());
  type.addInterest({"b"});
  EXPECT_FALSE(type.wantsToSend());
  type.streamOpened();
  ASSERT_TRUE(type.wantsToSend());
  const DiscoveryRequest request = type.takeRequest();
  EXPECT_EQ(request.version_info(), "v1");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_FALSE(request.has_error_detail());
  EXPECT_EQ(names(request), (Names{"a", "b"}));
  EXPECT_FALSE(type.wantsToSend());
}

TEST(SotwType, WildcardIsImplicitAgainOnANewStream) {
  SotwType type("t");
  type.addInterest({"a"});
  type.addInterest({});
  type.streamOpened();
  EXPECT_EQ(names(type.takeRequest()), (Names{"*", "a"}));
  type.removeInterest({"a"});
  type.streamClosed();
  type.streamOpened();
  EXPECT_TRUE(names(type.takeRequest()).empty());
}

TEST(SotwType, AcceptedAfterItsStreamHasGoneIsToldToTheNext) {
  SotwType type("t");
  type.addInterest({});
  type.streamOpened();
  type.takeRequest();
  type.streamClosed();
  type.acceptedLate("v7");
  EXPECT_FALSE(type.wantsToSend());
  type.streamOpened();
  EXPECT_EQ(type.takeRequest().version_info(), "v7");
  EXPECT_FALSE(type.wantsToSend());
}

}  // namespace
}  // namespace sluice::xds
