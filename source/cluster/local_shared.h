#pragma once

#include <cstdint>
#include <utility>

namespace sluice::cluster {

/**
 * A shared pointer of one thread: its count is no atomic, so that pinning costs an increment. All copies of one stay on
 * the thread that made it.
 */
template <class T>
class LocalShared {
 public:
  LocalShared() = default;
  template <class... Args>
  static LocalShared make(Args&&... args) {
    LocalShared made;
    made.node_ = new Node{T(std::forward<Args>(args)...), 1};
    return made;
  }
  LocalShared(const LocalShared& other) : node_(other.node_) {
    if (node_ != nullptr) {
      ++node_->count;
    }
  }
  LocalShared(LocalShared&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  LocalShared& operator=(LocalShared other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~LocalShared() {
    if (node_ != nullptr && --node_->count == 0) {
      delete node_;
    }
  }

  T& operator*() const { return node_->value; }
  T* operator->() const { return &node_->value; }
  /** No other copy is left. */
  bool unique() const { return node_ != nullptr && node_->count == 1; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  struct Node {
    T value;
    uint32_t count;
  };
  Node* node_ = nullptr;
};

}  // namespace sluice::cluster
