#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/event/dispatcher.h"
#include "source/thread/slot.h"
#include "source/tls/context.h"

namespace sluice::tls {

/**
 * Brings new versions of contexts to all threads. One slot holds those of every factory, since most factories never change
 * theirs; what changes within a turn of main goes out together. Main's, but for find(); outlives the connections' threads.
 */
class ContextPublisher : public std::enable_shared_from_this<ContextPublisher> {
 public:
  using ContextPtr = std::shared_ptr<const Context>;

  ContextPublisher(event::Dispatcher& main, thread::SlotAllocator& slots);

  /** Names a factory's contexts. */
  uint64_t newId() { return ++last_id_; }
  /** From the next turn on, find() gives `context`; null takes away what was there. */
  void publish(uint64_t id, ContextPtr context);
  /** Any registered thread. Null where nothing was published. */
  ContextPtr find(uint64_t id) const;

 private:
  struct Local : thread::ThreadLocalObject {
    absl::flat_hash_map<uint64_t, ContextPtr> contexts;
  };
  void send();

  event::Dispatcher& main_;
  thread::Slot<Local> slot_;
  uint64_t last_id_ = 0;
  std::vector<std::pair<uint64_t, ContextPtr>> changes_;
};

}  // namespace sluice::tls
