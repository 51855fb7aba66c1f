#include "source/base/arena.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

TEST(ArenaTest, ObjectsAreDestroyedInReverseOrder) {
  std::vector<int> order;
  struct Noter {
    Noter(std::vector<int>& out, int id) : out(out), id(id) {}
    ~Noter() { out.push_back(id); }
    std::vector<int>& out;
    const int id;
  };
  Arena arena;
  arena.make<Noter>(order, 1);
  arena.make<Noter>(order, 2);
  arena.make<Noter>(order, 3);
  arena.reset();
  EXPECT_EQ((std::vector<int>{3, 2, 1}), order);
  EXPECT_EQ(0u, arena.footprint());
}

TEST(ArenaTest, CopiesOutliveTheirSource) {
  Arena arena;
  std::vector<absl::string_view> copies;
  for (int i = 0; i < 10000; ++i) {
    const std::string text = "text " + std::to_string(i);
    copies.push_back(arena.copy(text));
  }
  for (int i = 0; i < 10000; ++i) {
    EXPECT_EQ("text " + std::to_string(i), copies[static_cast<size_t>(i)]);
  }
}

TEST(ArenaTest, AnEmptyCopyIsNotNull) {
  Arena arena;
  EXPECT_NE(nullptr, arena.copy("").data());
}

TEST(ArenaTest, LargePiecesLeaveTheCurrentBlockInUse) {
  Arena arena;
  arena.allocate(16);
  const size_t one_block = arena.footprint();
  arena.allocate(100000);
  const size_t with_large = arena.footprint();
  EXPECT_GE(with_large, one_block + 100000);
  arena.allocate(16);
  EXPECT_EQ(with_large, arena.footprint());
}

TEST(ArenaTest, AlignsWhatItGives) {
  Arena arena;
  arena.allocate(1, 1);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(arena.allocate(8, 16)) % 16);
  arena.allocate(3, 1);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(arena.allocate(4, 4)) % 4);
}

}  // namespace
}  // namespace sluice::base
