#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "source/event/dispatcher.h"

namespace sluice::thread {

/** One thread's object of a slot. */
class ThreadLocalObject {
 public:
  virtual ~ThreadLocalObject() = default;
};

class SlotAllocator;

/** The untyped slot: see Slot<T>. */
class SlotBase {
 public:
  ~SlotBase();

 protected:
  friend class SlotAllocator;
  SlotBase(SlotAllocator& allocator, uint32_t index);
  ThreadLocalObject* object() const;

  SlotAllocator& allocator_;
  const uint32_t index_;

 private:
  /** Beside the index, so that get() touches no memory of main's. */
  const uint64_t allocator_id_;
};

/**
 * Holds one T for each registered thread, main included, made on that thread by an initialiser that gets its dispatcher.
 * Made, updated and destroyed on main, before its allocator; get() on any registered thread. Destroying the slot destroys
 * main's object at once and posts the destruction of the other threads'; updates still under way skip a slot that has
 * gone. Initialisers and updates, with what they captured, are destroyed on main.
 */
template <class T>
class Slot : public SlotBase {
 public:
  using Initializer = std::function<std::unique_ptr<T>(event::Dispatcher&)>;
  using Update = std::function<void(T&)>;

  Slot(SlotAllocator& allocator, Initializer initializer);

  /** This thread's object; null only before its thread has run the initialiser or after the thread's shut-down. */
  T* get() const { return static_cast<T*>(object()); }

  /** Runs `update` on every thread, main at once; `done` as in SlotAllocator::runOnAllThreads(). */
  void runOnAllThreads(Update update, std::function<void()> done = nullptr);
};

/**
 * Gives out slots and knows the threads. Main is registered from the start, each worker before it starts; it runs the
 * initialisers of all slots first. shutdownThread() on each worker at its end, then on main. Owned by main; it outlives
 * the workers' threads, and the workers' dispatchers go before main's does.
 */
class SlotAllocator {
 public:
  explicit SlotAllocator(event::Dispatcher& main);
  ~SlotAllocator();

  /** Main, before `worker`'s loop runs. */
  void registerThread(event::Dispatcher& worker);
  /**
   * On the thread that ends, after its connections have gone: destroys its objects in reverse order of making, after
   * which its dispatcher gets no more posts. On main also for a worker that never ran. For main itself: last; every
   * `done` that is still out is called now.
   */
  void shutdownThread(event::Dispatcher& dispatcher);

  event::Dispatcher& mainDispatcher() { return main_; }

  /**
   * Runs `task` on every registered thread, main at once; `done` on main after the last, never inside this call; it fires
   * also if threads end before they ran the task.
   */
  void runOnAllThreads(std::function<void(event::Dispatcher&)> task, std::function<void()> done = nullptr);

 private:
  friend class SlotBase;
  template <class T>
  friend class Slot;

  using AnyInitializer = std::function<std::unique_ptr<ThreadLocalObject>(event::Dispatcher&)>;
  uint32_t addSlot(AnyInitializer initializer);
  void removeSlot(uint32_t index);
  void updateSlot(uint32_t index, std::function<void(ThreadLocalObject&)> update, std::function<void()> done);

  event::Dispatcher& main_;
  struct State;
  std::shared_ptr<State> state_;
};

template <class T>
Slot<T>::Slot(SlotAllocator& allocator, Initializer initializer)
    : SlotBase(allocator, allocator.addSlot(std::move(initializer))) {}

template <class T>
void Slot<T>::runOnAllThreads(Update update, std::function<void()> done) {
  allocator_.updateSlot(
      index_, [update = std::move(update)](ThreadLocalObject& object) { update(static_cast<T&>(object)); },
      std::move(done));
}

}  // namespace sluice::thread
