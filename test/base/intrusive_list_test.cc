#include "source/base/intrusive_list.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::base {
namespace {

struct Item : ListHook {
  explicit Item(int number) : number(number) {}
  const int number;
};

std::vector<int> numbers(const IntrusiveList<Item>& list) {
  std::vector<int> out;
  list.forEach([&](const Item& item) { out.push_back(item.number); });
  return out;
}

TEST(IntrusiveListTest, KeepsTheOrderOfBothEnds) {
  Item one(1), two(2), three(3);
  IntrusiveList<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  list.pushBack(two);
  list.pushBack(three);
  list.pushFront(one);
  EXPECT_EQ(numbers(list), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(list.front(), &one);
  list.pushBack(one);
  list.pushBack(one);
  EXPECT_EQ(numbers(list), (std::vector<int>{2, 3, 1}));
}

TEST(IntrusiveListTest, AnObjectLeavesByItself) {
  Item stays(1);
  auto goes = std::make_unique<Item>(2);
  IntrusiveList<Item> list, other;
  list.pushBack(stays);
  list.pushBack(*goes);
  goes.reset();
  EXPECT_EQ(numbers(list), std::vector<int>{1});
  other.pushBack(stays);
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(stays.linked());
  stays.unlink();
  stays.unlink();
  EXPECT_TRUE(other.empty());
  EXPECT_FALSE(stays.linked());
}

TEST(IntrusiveListTest, TakesAllOfAnother) {
  Item one(1), two(2), three(3);
  IntrusiveList<Item> list, other;
  list.pushBack(one);
  other.pushBack(two);
  other.pushBack(three);
  list.take(other);
  EXPECT_EQ(numbers(list), (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(other.empty());
}

TEST(IntrusiveListTest, MayGoBeforeItsObjects) {
  Item item(1);
  {
    IntrusiveList<Item> list;
    list.pushBack(item);
  }
  EXPECT_FALSE(item.linked());
}

}  // namespace
}  // namespace sluice::base
