#include "source/net/buffer.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/sockets.h"

namespace sluice::net {
namespace {

std::string pattern(size_t size, char first = 'a') {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    out[i] = static_cast<char>(first + i % 23);
  }
  return out;
}

size_t slicesOf(const Buffer& buffer) {
  size_t count = 0;
  buffer.forEachSlice([&count](absl::string_view bytes) {
    EXPECT_FALSE(bytes.empty());
    ++count;
  });
  return count;
}

TEST(BufferReserve, RoomIsInOnePieceAndCountsWhenCommitted) {
  Buffer buffer;
  buffer.append(std::string(kSliceCapacity - 10, 'a'));
  char* room = buffer.reserve(20);
  std::memcpy(room, "0123456789", 10);
  EXPECT_EQ(kSliceCapacity - 10, buffer.length());
  buffer.commit(10);
  EXPECT_EQ(std::string(kSliceCapacity - 10, 'a') + "0123456789", buffer.toString());
  // What still fits stays in the same slice.
  EXPECT_EQ(room + 10, buffer.reserve(5));
  buffer.commit(0);
  std::memset(buffer.reserve(3 * kSliceCapacity), 'b', 3 * kSliceCapacity);
  buffer.commit(3 * kSliceCapacity);
  EXPECT_EQ(4ull * kSliceCapacity, buffer.length());
}

TEST(BufferTest, AnEmptyBufferHoldsNoSlice) {
  const int64_t held = slice_pool::held();
  Buffer buffer;
  EXPECT_EQ("", buffer.front());
  buffer.append(pattern(50000));
  EXPECT_LT(held, slice_pool::held());
  buffer.drain(50000);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ("", buffer.front());
  EXPECT_EQ(held, slice_pool::held());
}

TEST(BufferTest, SlicesComeFromThePoolInSteadyState) {
  Buffer buffer;
  buffer.append("x");
  const void* slice = buffer.front().data();
  buffer.clear();
  const size_t kept = slice_pool::kept();
  buffer.append("y");
  EXPECT_EQ(slice, buffer.front().data());
  EXPECT_EQ(kept - 1, slice_pool::kept());
}

TEST(BufferTest, ThePoolKeepsABoundedNumber) {
  {
    Buffer buffer;
    buffer.append(std::string(2 * slice_pool::kMaxKept * kSliceCapacity, 'x'));
  }
  EXPECT_EQ(slice_pool::kMaxKept, slice_pool::kept());
}

TEST(BufferTest, MovingLargePiecesCopiesNothing) {
  Buffer from;
  from.append(pattern(kSliceCapacity * 2));
  const void* first = from.front().data();
  Buffer to;
  to.append("head");
  to.move(from);
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(kSliceCapacity * 2 + 4, to.length());
  to.drain(4);
  EXPECT_EQ(first, to.front().data());
  EXPECT_EQ(pattern(kSliceCapacity * 2), to.toString());
}

TEST(BufferTest, ManySmallPiecesShareSlices) {
  Buffer to;
  for (int i = 0; i < 1000; ++i) {
    Buffer from;
    from.append("sixteen bytes...");
    to.move(from);
  }
  EXPECT_EQ(16000u, to.length());
  EXPECT_LE(slicesOf(to), 2u);
}

TEST(BufferTest, MovesPartOfABuffer) {
  Buffer from;
  from.append(pattern(40000));
  Buffer to;
  to.move(from, 20001);
  EXPECT_EQ(pattern(40000).substr(0, 20001), to.toString());
  EXPECT_EQ(pattern(40000).substr(20001), from.toString());
}

TEST(BufferTest, LinearizesWhatIsSpreadOverSlices) {
  Buffer buffer;
  buffer.append(pattern(50000));
  EXPECT_EQ(pattern(50000).substr(0, 40000), buffer.linearize(40000));
  EXPECT_EQ(pattern(50000), buffer.toString());
  EXPECT_EQ(50000u, buffer.length());
  EXPECT_EQ(pattern(50000), buffer.linearize(50000));
  buffer.append("more");
  EXPECT_EQ(pattern(50000) + "more", buffer.toString());
}

TEST(BufferTest, CopiesOutFromAnyOffset) {
  Buffer buffer;
  buffer.append(pattern(40000));
  std::string out(30000, '\0');
  EXPECT_EQ(30000u, buffer.copyOut(7777, 30000, out.data()));
  EXPECT_EQ(pattern(40000).substr(7777, 30000), out);
  EXPECT_EQ(1u, buffer.copyOut(39999, 30000, out.data()));
  EXPECT_EQ(0u, buffer.copyOut(40000, 30000, out.data()));
}

TEST(BufferTest, AnyOrderOfOperationsKeepsTheBytes) {
  std::mt19937 random(20240501);
  const int64_t held = slice_pool::held();
  {
    std::vector<Buffer> buffers(3);
    std::vector<std::string> expected(3);
    for (int step = 0; step < 20000; ++step) {
      const size_t i = random() % 3;
      const size_t j = (i + 1 + random() % 2) % 3;
      const size_t size = random() % (random() % 8 == 0 ? 60000 : 300);
      switch (random() % 8) {
        case 0:
        case 1: {
          const std::string bytes = pattern(size, static_cast<char>('A' + random() % 20));
          buffers[i].append(bytes);
          expected[i] += bytes;
          break;
        }
        case 2: {
          const std::string bytes = pattern(size);
          buffers[i].prepend(bytes);
          expected[i].insert(0, bytes);
          break;
        }
        case 3: {
          const size_t part = std::min(size, expected[j].size());
          buffers[i].move(buffers[j], part);
          expected[i] += expected[j].substr(0, part);
          expected[j].erase(0, part);
          break;
        }
        case 4:
          buffers[i].move(buffers[j]);
          expected[i] += expected[j];
          expected[j].clear();
          break;
        case 5: {
          const size_t part = std::min(size, expected[i].size());
          ASSERT_EQ(expected[i].substr(0, part), buffers[i].linearize(part));
          break;
        }
        case 6:
          std::swap(buffers[i], buffers[j]);
          std::swap(expected[i], expected[j]);
          break;
        default: {
          const size_t part = expected[i].size() > 200000 ? expected[i].size() : std::min(size, expected[i].size());
          buffers[i].drain(part);
          expected[i].erase(0, part);
        }
      }
      ASSERT_EQ(expected[i].size(), buffers[i].length());
      if (step % 64 == 0) {
        ASSERT_EQ(expected[i], buffers[i].toString());
        slicesOf(buffers[i]);
      }
    }
  }
  EXPECT_EQ(held, slice_pool::held());
}

TEST(BufferTest, ReadsAndWritesASocket) {
  auto [a, b] = test::unixPair();
  Buffer out;
  out.append(pattern(30000));
  while (!out.empty()) {
    ASSERT_GT(out.writeTo(a.fd()), 0);
  }
  Buffer in;
  uint64_t reserved = 0;
  ASSERT_EQ(5, in.readFrom(b.fd(), 5, reserved));
  EXPECT_EQ(5u, reserved);
  while (in.length() < 30000) {
    ASSERT_GT(in.readFrom(b.fd(), 65536, reserved), 0);
    EXPECT_EQ(65536u, reserved);
  }
  EXPECT_EQ(pattern(30000), in.toString());
  const int64_t held = slice_pool::held();
  EXPECT_EQ(-1, in.readFrom(b.fd(), 65536, reserved));
  EXPECT_EQ(EAGAIN, errno);
  EXPECT_EQ(held, slice_pool::held());
  a.close();
  EXPECT_EQ(0, in.readFrom(b.fd(), 65536, reserved));
  Buffer lost;
  lost.append("nobody reads this");
  EXPECT_EQ(-1, lost.writeTo(b.fd()));
  EXPECT_EQ(EPIPE, errno);
  EXPECT_EQ(17u, lost.length());
}

}  // namespace
}  // namespace sluice::net
