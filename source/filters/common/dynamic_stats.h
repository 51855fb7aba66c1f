#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/**
 * Statistics whose names come with requests (a gRPC method, a calling cluster). Names are main's to resolve: the first
 * use of one goes to main with what it counts; from then on every thread finds it in a table that only grows, without a
 * lock. Made and destroyed on main, used on any thread. `Stats` is made from (stats::Scope&, const std::string& key).
 */
template <class Stats>
class DynamicStats {
 public:
  /** Requests choose the names, so there must be an end to them: what comes after is not counted. */
  static constexpr size_t kMaxNames = 20'000;

  /** `main` outlives all use. */
  DynamicStats(event::Dispatcher& main, stats::ScopePtr scope)
      : main_(main), table_(event::ownedBy(main, std::make_unique<Table>(std::move(scope)))) {}
  DynamicStats(const DynamicStats&) = delete;

  /** Calls use(const Stats&), now or soon on main; `use` is copied there. */
  template <class Use>
  void with(absl::string_view key, Use use) const {
    if (const Stats* found = table_->find(key); found != nullptr) {
      use(*found);
      return;
    }
    if (table_->full.load(std::memory_order_relaxed)) {
      return;
    }
    main_.post([table = table_, key = std::string(key), use = std::move(use)] {
      if (const Stats* made = table->findOrMake(key); made != nullptr) {
        use(*made);
      }
    });
  }

 private:
  struct Node {
    const std::string key;
    const Stats stats;
    const Node* const next;
  };

  struct Table {
    explicit Table(stats::ScopePtr s) : scope(std::move(s)) {}
    ~Table() {
      for (std::atomic<const Node*>& bucket : buckets) {
        for (const Node* node = bucket.load(std::memory_order_relaxed); node != nullptr;) {
          const Node* const next = node->next;
          delete node;
          node = next;
        }
      }
    }
    std::atomic<const Node*>& bucket(absl::string_view key) {
      return buckets[absl::Hash<absl::string_view>()(key) % buckets.size()];
    }
    const Stats* find(absl::string_view key) {
      for (const Node* node = bucket(key).load(std::memory_order_acquire); node != nullptr; node = node->next) {
        if (node->key == key) {
          return &node->stats;
        }
      }
      return nullptr;
    }
    /** On main, the only one that writes. */
    const Stats* findOrMake(const std::string& key) {
      if (const Stats* found = find(key); found != nullptr) {
        return found;
      }
      if (names == kMaxNames) {
        full.store(true, std::memory_order_relaxed);
        return nullptr;
      }
      ++names;
      std::atomic<const Node*>& first = bucket(key);
      const Node* node = new Node{key, Stats(*scope, key), first.load(std::memory_order_relaxed)};
      first.store(node, std::memory_order_release);
      return &node->stats;
    }

    const stats::ScopePtr scope;
    std::array<std::atomic<const Node*>, 1024> buckets{};
    std::atomic<bool> full{false};
    size_t names = 0;
  };

  event::Dispatcher& main_;
  const std::shared_ptr<Table> table_;
};

/** For DynamicStats: a counter of the key's name. */
struct NamedCounter {
  NamedCounter(stats::Scope& scope, const std::string& name) : counter(scope.counter(name)) {}
  stats::Counter counter;
};

}  // namespace sluice::filters
