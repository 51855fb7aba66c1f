#include "source/net/buffer.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "source/base/assert.h"

namespace sluice::net {
namespace {

/** What is copied rather than moved when the last slice has room: a slice moved for less would be mostly empty. */
constexpr uint32_t kCopyAtMost = 4096;
/** A last slice with less room than this is not worth another piece of a read. */
constexpr uint32_t kLeastRoom = 1024;
constexpr int kMostReadSlices = 8;
constexpr int kMostWriteSlices = 32;

}  // namespace

Buffer::Buffer(Buffer&& other) noexcept
    : head_(std::exchange(other.head_, nullptr)),
      tail_(std::exchange(other.tail_, nullptr)),
      length_(std::exchange(other.length_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    clear();
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    length_ = std::exchange(other.length_, 0);
  }
  return *this;
}

Buffer::~Buffer() { clear(); }

void Buffer::pushBack(Slice* slice) {
  slice->next = nullptr;
  if (tail_ == nullptr) {
    head_ = tail_ = slice;
  } else {
    tail_->next = slice;
    tail_ = slice;
  }
}

void Buffer::popFront() {
  Slice* slice = head_;
  head_ = slice->next;
  if (head_ == nullptr) {
    tail_ = nullptr;
  }
  slice_pool::giveBack(slice);
}

void Buffer::append(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->room() == 0) {
      pushBack(slice_pool::take());
    }
    const size_t part = std::min<size_t>(tail_->room(), bytes.size());
    std::memcpy(tail_->data() + tail_->end, bytes.data(), part);
    tail_->end += part;
    length_ += part;
    bytes.remove_prefix(part);
  }
}

char* Buffer::reserve(uint32_t size) {
  if (tail_ == nullptr || tail_->room() < size) {
    pushBack(slice_pool::take(std::max(size, kSliceCapacity)));
  }
  return tail_->data() + tail_->end;
}

Buffer::Room Buffer::room(uint32_t least) {
  char* const data = reserve(least);
  return {data, tail_->room()};
}

void Buffer::commit(uint32_t size) {
  tail_->end += size;
  length_ += size;
  SLUICE_CHECK(tail_->end <= tail_->capacity, "more is committed to a buffer than was reserved");
}

void Buffer::prepend(absl::string_view bytes) {
  length_ += bytes.size();
  while (!bytes.empty()) {
    if (head_ == nullptr || head_->begin == 0) {
      Slice* slice = slice_pool::take();
      // Filled from its end, so that further prepending finds room.
      slice->begin = slice->end = slice->capacity;
      slice->next = head_;
      head_ = slice;
      if (tail_ == nullptr) {
        tail_ = slice;
      }
    }
    const size_t part = std::min<size_t>(head_->begin, bytes.size());
    head_->begin -= part;
    std::memcpy(head_->data() + head_->begin, bytes.data() + bytes.size() - part, part);
    bytes.remove_suffix(part);
  }
}

void Buffer::move(Buffer& other) { move(other, other.length_); }

void Buffer::move(Buffer& other, uint64_t length) {
  SLUICE_CHECK(length <= other.length_ && &other != this,
               "a buffer is asked for more than it holds, or moved into itself");
  while (length > 0) {
    Slice* slice = other.head_;
    const uint32_t size = slice->size();
    const bool whole = size <= length;
    if (whole && (tail_ == nullptr || size > kCopyAtMost || size > tail_->room())) {
      other.head_ = slice->next;
      if (other.head_ == nullptr) {
        other.tail_ = nullptr;
      }
      other.length_ -= size;
      pushBack(slice);
      length_ += size;
      length -= size;
      continue;
    }
    const uint64_t part = std::min<uint64_t>(size, length);
    append({slice->data() + slice->begin, part});
    other.drain(part);
    length -= part;
  }
}

void Buffer::drain(uint64_t length) {
  SLUICE_CHECK(length <= length_, "a buffer is drained of more than it holds");
  length_ -= length;
  while (head_ != nullptr) {
    const uint32_t size = head_->size();
    if (length < size) {
      head_->begin += length;
      return;
    }
    length -= size;
    popFront();
  }
}

absl::string_view Buffer::front() const { return head_ == nullptr ? absl::string_view() : head_->bytes(); }

absl::string_view Buffer::linearize(uint64_t length) {
  SLUICE_CHECK(length <= length_, "a buffer is asked for more than it holds");
  if (head_ == nullptr || head_->size() >= length) {
    return front().substr(0, length);
  }
  Slice* joined = slice_pool::take(length);
  copyOut(0, length, joined->data());
  joined->end = length;
  drain(length);
  joined->next = head_;
  head_ = joined;
  if (tail_ == nullptr) {
    tail_ = joined;
  }
  length_ += length;
  return {joined->data(), length};
}

uint64_t Buffer::copyOut(uint64_t offset, uint64_t length, void* out) const {
  uint64_t copied = 0;
  for (const Slice* slice = head_; slice != nullptr && copied < length; slice = slice->next) {
    const uint32_t size = slice->size();
    if (offset >= size) {
      offset -= size;
      continue;
    }
    const uint64_t part = std::min<uint64_t>(size - offset, length - copied);
    std::memcpy(static_cast<char*>(out) + copied, slice->data() + slice->begin + offset, part);
    copied += part;
    offset = 0;
  }
  return copied;
}

std::string Buffer::toString() const {
  std::string out;
  out.reserve(length_);
  forEachSlice([&out](absl::string_view bytes) { out.append(bytes.data(), bytes.size()); });
  return out;
}

ssize_t Buffer::readFrom(int fd, uint64_t max, uint64_t& reserved) {
  iovec pieces[kMostReadSlices];
  Slice* fresh[kMostReadSlices];
  int count = 0;
  int fresh_count = 0;
  reserved = 0;
  const auto offer = [&](char* at, uint64_t room) {
    room = std::min(room, max - reserved);
    pieces[count++] = {at, room};
    reserved += room;
  };
  Slice* const last = tail_ != nullptr && tail_->room() >= kLeastRoom ? tail_ : nullptr;
  if (last != nullptr) {
    offer(last->data() + last->end, last->room());
  }
  while (reserved < max && count < kMostReadSlices) {
    Slice* slice = slice_pool::take();
    fresh[fresh_count++] = slice;
    offer(slice->data(), slice->capacity);
  }
  const ssize_t received =
      count == 1 ? ::recv(fd, pieces[0].iov_base, pieces[0].iov_len, 0) : ::readv(fd, pieces, count);
  uint64_t left = received > 0 ? received : 0;
  length_ += left;
  if (last != nullptr) {
    const uint64_t part = std::min<uint64_t>(left, pieces[0].iov_len);
    last->end += part;
    left -= part;
  }
  for (int i = 0; i < fresh_count; ++i) {
    const uint64_t part = std::min<uint64_t>(left, fresh[i]->capacity);
    if (part == 0) {
      slice_pool::giveBack(fresh[i]);
      continue;
    }
    fresh[i]->end = part;
    left -= part;
    pushBack(fresh[i]);
  }
  return received;
}

ssize_t Buffer::writeTo(int fd) {
  ssize_t sent;
  if (head_ == tail_) {
    const absl::string_view bytes = front();
    sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } else {
    iovec pieces[kMostWriteSlices];
    msghdr message{};
    message.msg_iov = pieces;
    for (Slice* slice = head_; slice != nullptr && message.msg_iovlen < kMostWriteSlices; slice = slice->next) {
      pieces[message.msg_iovlen++] = {slice->data() + slice->begin, slice->size()};
    }
    sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  }
  if (sent > 0) {
    drain(sent);
  }
  return sent;
}

}  // namespace sluice::net
