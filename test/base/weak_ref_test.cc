#include "source/base/weak_ref.h"

#include <memory>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

class Thing {
 public:
  WeakRef<Thing> ref() { return anchor_.ref(); }
  int value = 7;

 private:
  WeakAnchor<Thing> anchor_{this};
};

TEST(WeakRef, FindsItsObjectWhileThatLives) {
  auto thing = std::make_unique<Thing>();
  const WeakRef<Thing> ref = thing->ref();
  const WeakRef<Thing> copy = ref;
  ASSERT_TRUE(ref);
  EXPECT_EQ(copy->value, 7);
  thing.reset();
  EXPECT_FALSE(ref);
  EXPECT_EQ(copy.get(), nullptr);
}

TEST(WeakRef, NamesNothingByDefault) {
  const WeakRef<Thing> none;
  EXPECT_EQ(none.get(), nullptr);
}

}  // namespace
}  // namespace sluice::base
