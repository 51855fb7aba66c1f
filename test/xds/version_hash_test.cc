#include "source/xds/version_hash.h"

#include "gtest/gtest.h"

namespace sluice::xds {
namespace {

// Values of the reference implementation of XXH64 with seed 0.
TEST(VersionHash, IsXxh64) {
  EXPECT_EQ(versionHash(""), 0xef46db3751d8e999u);
  EXPECT_EQ(versionHash("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(versionHash("1"), 0xb7b41276360564d4u);
  EXPECT_EQ(versionHash("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(versionHash("0123456789abcdef0123456789abcdef"), 0x642a94958e71e6c5u);
  EXPECT_EQ(versionHash("0123456789abcdef0123456789abcdef0123456789abcdefXYZ!!"), 0xa74380434decfdd8u);
}

}  // namespace
}  // namespace sluice::xds
