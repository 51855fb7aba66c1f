#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/xds/init_manager.h"

namespace envoy::config::core::v3 {
class ConfigSource;
}
namespace envoy::config::route::v3 {
class RouteConfiguration;
}

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

/** Makes providers for connection managers; on main, outlives what it made. Null, with violations, for what is wrong. */
class RouteProviderFactory {
 public:
  virtual ~RouteProviderFactory() = default;
  virtual std::shared_ptr<const RouteProvider> fromConfig(const envoy::config::route::v3::RouteConfiguration& config,
                                                          const config::FieldPath& path,
                                                          config::Violations& violations) const = 0;
  /**
   * `stat_prefix` is "http.<stat_prefix>.": Envoy's names go on with "rds.<route config>.". The first version is added to
   * `init_manager`.
   */
  virtual std::shared_ptr<const RouteProvider> overRds(const envoy::config::core::v3::ConfigSource& source,
                                                       absl::string_view name, absl::string_view stat_prefix,
                                                       xds::InitManager& init_manager, const config::FieldPath& path,
                                                       config::Violations& violations) const = 0;
};

}  // namespace sluice::http
