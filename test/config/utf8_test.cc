#include "source/config/utf8.h"

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

constexpr size_t kNone = absl::string_view::npos;

TEST(Utf8, AcceptsWellFormedText) {
  EXPECT_EQ(findInvalidUtf8(""), kNone);
  EXPECT_EQ(findInvalidUtf8("plain ascii, long enough for words"), kNone);
  EXPECT_EQ(findInvalidUtf8("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x9A\xB0 \xF4\x8F\xBF\xBF"), kNone);
}

TEST(Utf8, FindsTheFirstBrokenByte) {
  EXPECT_EQ(findInvalidUtf8("12345678\xFF"), 8);
  EXPECT_EQ(findInvalidUtf8("ab\x80"), 2);                 // a continuation alone
  EXPECT_EQ(findInvalidUtf8("a\xC0\xAF"), 1);              // overlong
  EXPECT_EQ(findInvalidUtf8("\xE0\x80\x80"), 0);           // overlong
  EXPECT_EQ(findInvalidUtf8("\xED\xA0\x80"), 0);           // a surrogate
  EXPECT_EQ(findInvalidUtf8("\xF4\x90\x80\x80"), 0);       // above U+10FFFF
  EXPECT_EQ(findInvalidUtf8("\xE2\x82"), 0);               // cut off
  EXPECT_EQ(findInvalidUtf8("\xC3\xA9\xC3\xA9\xC3("), 4);  // its second byte is none
}

TEST(Utf8, CountsCodePoints) { EXPECT_EQ(countCodePoints("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\xB0x"), 4); }

TEST(Utf8, WritesWhatItReads) {
  for (const uint32_t code_point : {0x41U, 0x7FFU, 0x800U, 0xFFFDU, 0x10000U, 0x10FFFFU}) {
    std::string text;
    appendUtf8(text, code_point);
    EXPECT_EQ(findInvalidUtf8(text), kNone) << code_point;
    EXPECT_EQ(countCodePoints(text), 1) << code_point;
  }
  std::string euro;
  appendUtf8(euro, 0x20AC);
  EXPECT_EQ(euro, "\xE2\x82\xAC");
}

}  // namespace
}  // namespace sluice::config
