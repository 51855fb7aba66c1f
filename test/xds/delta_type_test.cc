#include "source/xds/delta_type.h"

#include "gtest/gtest.h"

#include "source/xds/resource_records.h"
#include "test/xds/requests.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using test::error;
using test::Names;
using test::subscribed;
using test::unsubscribed;
using test::Versions;
using test::versions;

class DeltaTypeTest : public ::testing::Test {
 protected:
  void hold(const std::string& name, const std::string& version) {
    Resource resource;
    resource.name = name;
    resource.version = version;
    held_.accepted(resource, {}, {}, 1);
  }
  DeltaDiscoveryRequest take() {
    EXPECT_TRUE(type_.wantsToSend());
    return type_.takeRequest(held_);
  }

  ResourceRecords held_{"t"};
  DeltaType type_{"t"};
};

TEST_F(DeltaTypeTest, SaysNothingWithoutStreamOrInterest) {
  EXPECT_FALSE(type_.wantsToSend());
  type_.addInterest({});
  EXPECT_FALSE(type_.wantsToSend());
  type_.removeInterest({});
  type_.streamOpened();
  // A request without names would ask for all.
  EXPECT_FALSE(type_.wantsToSend());
  type_.addInterest({"a"});
  type_.removeInterest({"a"});
  EXPECT_FALSE(type_.wantsToSend());
}

TEST_F(DeltaTypeTest, AsksForAllWithoutNames) {
  type_.addInterest({});
  type_.streamOpened();
  const DeltaDiscoveryRequest request = take();
  EXPECT_EQ(request.type_url(), "t");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_TRUE(subscribed(request).empty());
  EXPECT_TRUE(versions(request).empty());
  EXPECT_FALSE(type_.wantsToSend());
  EXPECT_TRUE(type_.asked());
}

TEST_F(DeltaTypeTest, TellsNamesOnceAndThenWhatChanges) {
  type_.streamOpened();
  type_.addInterest({"b", "a"});
  EXPECT_EQ(subscribed(take()), (Names{"a", "b"}));
  type_.addInterest({"c"});
  type_.removeInterest({"a"});
  const DeltaDiscoveryRequest change = take();
  EXPECT_EQ(subscribed(change), Names{"c"});
  EXPECT_EQ(unsubscribed(change), Names{"a"});
  EXPECT_EQ(change.response_nonce(), "");
  EXPECT_FALSE(type_.wantsToSend());
}

TEST_F(DeltaTypeTest, WhatComesAndGoesBetweenTwoRequestsIsNotTold) {
  type_.streamOpened();
  type_.addInterest({"a"});
  take();
  type_.addInterest({"b"});
  type_.removeInterest({"b"});
  // Another one for a name that is asked for already.
  type_.addInterest({"a"});
  type_.removeInterest({"a"});
  EXPECT_FALSE(type_.wantsToSend());
}

TEST_F(DeltaTypeTest, WhatGoesAndComesBetweenTwoRequestsIsAskedForAnew) {
  type_.streamOpened();
  type_.addInterest({"a"});
  take();
  type_.removeInterest({"a"});
  type_.addInterest({"a"});
  const DeltaDiscoveryRequest again = take();
  EXPECT_EQ(subscribed(again), Names{"a"});
  EXPECT_TRUE(unsubscribed(again).empty());
  EXPECT_FALSE(type_.wantsToSend());
  // The server has it still, so that it is told when the name goes for good.
  type_.removeInterest({"a"});
  type_.addInterest({"a"});
  type_.removeInterest({"a"});
  const DeltaDiscoveryRequest gone = take();
  EXPECT_TRUE(subscribed(gone).empty());
  EXPECT_EQ(unsubscribed(gone), Names{"a"});
}

TEST_F(DeltaTypeTest, AnswersHaveTheNonceAndOnlyTheNewsOfNames) {
  type_.streamOpened();
  type_.addInterest({"a"});
  take();
  type_.answer("s1", "n1", std::nullopt);
  const DeltaDiscoveryRequest ack = take();
  EXPECT_EQ(ack.response_nonce(), "n1");
  EXPECT_FALSE(ack.has_error_detail());
  EXPECT_TRUE(subscribed(ack).empty());
  type_.answer("s2", "n2", error("bad"));
  type_.answer("s3", "n3", std::nullopt);
  type_.addInterest({"b"});
  const DeltaDiscoveryRequest nack = take();
  EXPECT_EQ(nack.response_nonce(), "n2");
  EXPECT_EQ(nack.error_detail().message(), "bad");
  EXPECT_EQ(subscribed(nack), Names{"b"});
  const DeltaDiscoveryRequest last = take();
  EXPECT_EQ(last.response_nonce(), "n3");
  EXPECT_TRUE(subscribed(last).empty());
  EXPECT_FALSE(type_.wantsToSend());
  EXPECT_EQ(type_.version(), "s3");
}

TEST_F(DeltaTypeTest, ANewStreamIsToldEverythingWithItsVersions) {
  type_.addInterest({"a", "b"});
  type_.streamOpened();
  take();
  type_.answer("s1", "n1", std::nullopt);
  type_.streamClosed();
  EXPECT_FALSE(type_.wantsToSend());
  type_.addInterest({"c"});
  hold("a", "1");
  hold("c", "7");
  hold("stranger", "1");
  type_.streamOpened();
  const DeltaDiscoveryRequest request = take();
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(subscribed(request), (Names{"a", "b", "c"}));
  EXPECT_EQ(versions(request), (Versions{{"a", "1"}, {"c", "7"}}));
  // Only the first one says so.
  type_.addInterest({"d"});
  EXPECT_TRUE(versions(take()).empty());
}

TEST_F(DeltaTypeTest, TheWildcardToldAnewHasVersionsAndNoNames) {
  type_.addInterest({});
  hold("a", "1");
  hold("b", "");
  type_.streamOpened();
  const DeltaDiscoveryRequest request = take();
  EXPECT_TRUE(subscribed(request).empty());
  EXPECT_EQ(versions(request), (Versions{{"a", "1"}, {"b", ""}}));
}

TEST_F(DeltaTypeTest, TheWildcardBesideNamesIsSpeltOut) {
  type_.addInterest({"a"});
  type_.addInterest({});
  type_.streamOpened();
  EXPECT_EQ(subscribed(take()), (Names{"*", "a"}));
  type_.removeInterest({});
  EXPECT_EQ(unsubscribed(take()), Names{"*"});
  type_.addInterest({});
  EXPECT_EQ(subscribed(take()), Names{"*"});
  type_.removeInterest({"a"});
  EXPECT_EQ(unsubscribed(take()), Names{"a"});
  // On a stream of its own it needs no name again.
  type_.streamClosed();
  type_.streamOpened();
  EXPECT_TRUE(subscribed(take()).empty());
}

TEST_F(DeltaTypeTest, RefusalsThatComeLateHaveTheLastNonce) {
  type_.addInterest({"a"});
  type_.streamOpened();
  take();
  EXPECT_FALSE(type_.refuseLate(error("early")));
  type_.answer("s1", "n1", std::nullopt);
  take();
  EXPECT_TRUE(type_.refuseLate(error("late")));
  const DeltaDiscoveryRequest nack = take();
  EXPECT_EQ(nack.response_nonce(), "n1");
  EXPECT_EQ(nack.error_detail().message(), "late");
}

}  // namespace
}  // namespace sluice::xds
