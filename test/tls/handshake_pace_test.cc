#include "source/tls/handshake_pace.h"

#include <memory>

#include <gtest/gtest.h>

namespace sluice::tls {
namespace {

using Place = HandshakePace::Place;

class HandshakePaceTest : public testing::Test {
 protected:
  bool admits(Place& place) { return pace_.admits(place, turn_); }
  void nextTurn() { turn_ += std::chrono::milliseconds(1); }
  void spendAll() { pace_.took(HandshakePace::kBudget); }

  HandshakePace pace_;
  base::MonotonicTime turn_{std::chrono::seconds(1)};
  Place a_, b_, c_;
};

TEST_F(HandshakePaceTest, ATurnTakesWhatFitsIt) {
  EXPECT_TRUE(admits(a_));
  pace_.took(HandshakePace::kBudget / 2);
  EXPECT_TRUE(admits(b_));
  pace_.took(HandshakePace::kBudget / 2);
  EXPECT_FALSE(admits(c_));
  EXPECT_FALSE(admits(c_));
  nextTurn();
  EXPECT_TRUE(admits(c_));
}

TEST_F(HandshakePaceTest, OneThatTakesLongerThanATurnIsAdmittedAllTheSame) {
  EXPECT_TRUE(admits(a_));
  pace_.took(10 * HandshakePace::kBudget);
  EXPECT_FALSE(admits(b_));
  nextTurn();
  EXPECT_TRUE(admits(b_));
}

TEST_F(HandshakePaceTest, WhoWaitsGoesBeforeWhoComes) {
  admits(a_);
  spendAll();
  EXPECT_FALSE(admits(b_));
  nextTurn();
  EXPECT_FALSE(admits(c_));
  EXPECT_TRUE(admits(b_));
  EXPECT_TRUE(admits(c_));
}

TEST_F(HandshakePaceTest, OrderHoldsOverManyTurns) {
  admits(a_);
  spendAll();
  EXPECT_FALSE(admits(b_));
  nextTurn();
  EXPECT_FALSE(admits(c_));
  EXPECT_TRUE(admits(b_));
  spendAll();
  EXPECT_FALSE(admits(c_));
  nextTurn();
  EXPECT_FALSE(admits(a_));
  EXPECT_TRUE(admits(c_));
  spendAll();
  nextTurn();
  EXPECT_TRUE(admits(a_));
}

TEST_F(HandshakePaceTest, WhoEndsHoldsUpNobody) {
  admits(a_);
  spendAll();
  auto ends = std::make_unique<Place>();
  EXPECT_FALSE(admits(*ends));
  EXPECT_FALSE(admits(b_));
  EXPECT_FALSE(admits(c_));
  ends.reset();
  b_.leave();
  nextTurn();
  EXPECT_TRUE(admits(c_));
}

TEST_F(HandshakePaceTest, WhoDoesNotAskAgainHoldsUpNobody) {
  admits(a_);
  spendAll();
  EXPECT_FALSE(admits(b_));
  nextTurn();
  EXPECT_FALSE(admits(c_));
  nextTurn();
  EXPECT_TRUE(admits(c_));
  EXPECT_FALSE(b_.waits());
  EXPECT_TRUE(admits(b_));
}

}  // namespace
}  // namespace sluice::tls
