#include "source/stats/name_table.h"

#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

TEST(NameTable, OneNumberForOneName) {
  NameTable table;
  const NameId a = table.acquire("upstream_cx_total");
  const NameId b = table.acquire("upstream_cx_active");
  EXPECT_NE(a, b);
  EXPECT_EQ(table.acquire("upstream_cx_total"), a);
  EXPECT_EQ(table.name(a), "upstream_cx_total");
  EXPECT_EQ(table.size(), 2u);
}

TEST(NameTable, ANameGoesWithItsLastUser) {
  NameTable table;
  const NameId a = table.acquire("a");
  table.addUser(a);
  table.release(a);
  EXPECT_EQ(table.name(a), "a");
  table.release(a);
  EXPECT_EQ(table.size(), 0u);
  const NameId b = table.acquire("b");
  EXPECT_EQ(b, a);
  EXPECT_EQ(table.name(b), "b");
}

}  // namespace
}  // namespace sluice::stats
