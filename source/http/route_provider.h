#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace sluice::http {

class RouteTable;

/**
 * A worker's count of who uses one version of a route table: not atomic, so that pinning it costs a request next to
 * nothing. Copies share the count; the last one drops the table's own reference (which sends it to main to die).
 */
class RouteTablePin {
 public:
  RouteTablePin() = default;
  explicit RouteTablePin(std::shared_ptr<const RouteTable> table)
      : node_(table == nullptr ? nullptr : new Node{std::move(table), 1}) {}
  RouteTablePin(const RouteTablePin& other) : node_(other.node_) {
    if (node_ != nullptr) {
      ++node_->uses;
    }
  }
  RouteTablePin(RouteTablePin&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  RouteTablePin& operator=(RouteTablePin other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~RouteTablePin() {
    if (node_ != nullptr && --node_->uses == 0) {
      delete node_;
    }
  }

  const RouteTable* get() const { return node_ == nullptr ? nullptr : node_->table.get(); }
  const RouteTable* operator->() const { return get(); }
  const RouteTable& operator*() const { return *get(); }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  struct Node {
    const std::shared_ptr<const RouteTable> table;
    uint32_t uses;
  };
  Node* node_ = nullptr;
};

/**
 * Where a connection manager finds its route table: inline, or over RDS. Made and destroyed on main, shared by all
 * workers; table() on any worker.
 */
class RouteProvider {
 public:
  virtual ~RouteProvider() = default;
  /** The newest version that this worker was given; none before the first one came. */
  virtual RouteTablePin table() const = 0;
};

}  // namespace sluice::http
