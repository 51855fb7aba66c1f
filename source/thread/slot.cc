#include "source/thread/slot.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "source/base/assert.h"

// How an update travels. It is one Batch, shared by the closures that are posted to the threads. Each closure lets go of it
// when it has run, or when it is destroyed unrun with its dispatcher. Whoever lets go last, on whatever thread, posts the
// batch back to main, where its `done` is called and what it captured is destroyed. So `done` needs no count of threads,
// cannot be forgotten, and comes after the last.
//
// A thread's posts run in order, so on each thread a slot's initialiser, updates and removal follow one another as main
// made them; an index that is given out anew is safe.

namespace sluice::thread {
namespace {

struct Entry {
  std::unique_ptr<ThreadLocalObject> object;
  /** Of making on this thread. */
  uint64_t sequence = 0;
};

}  // namespace

/** One thread's objects. Its vector is its thread's alone; `ended` is set there and read by main. */
struct ThreadObjects {
  ThreadObjects(uint64_t allocator, event::Dispatcher& dispatcher) : allocator(allocator), dispatcher(dispatcher) {}

  ThreadLocalObject* find(uint32_t index) const {
    return index < entries.size() ? entries[index].object.get() : nullptr;
  }

  const uint64_t allocator;
  event::Dispatcher& dispatcher;
  std::vector<Entry> entries;
  uint64_t last_sequence = 0;
  std::atomic<bool> ended{false};
};

namespace {

/** Ids rather than addresses, so that an allocator never finds what another of the same address has left. */
std::atomic<uint64_t> last_allocator{0};

/** The objects that get() looked into last, and all that this thread has: more than one only where tests do that. */
constinit thread_local ThreadObjects* current_objects = nullptr;
thread_local std::vector<std::shared_ptr<ThreadObjects>> bound_objects;

ThreadObjects* findBound(uint64_t allocator) {
  for (const std::shared_ptr<ThreadObjects>& objects : bound_objects) {
    if (objects->allocator == allocator) {
      return objects.get();
    }
  }
  return nullptr;
}

void bind(std::shared_ptr<ThreadObjects> objects) {
  if (findBound(objects->allocator) == nullptr) {
    current_objects = objects.get();
    bound_objects.push_back(std::move(objects));
  }
}

void unbind(const ThreadObjects* objects) {
  if (current_objects == objects) {
    current_objects = nullptr;
  }
  std::erase_if(bound_objects, [objects](const auto& bound) { return bound.get() == objects; });
}

/** In reverse order of making. A destructor may still get() what was made before it, and may destroy slots on main. */
void destroyAll(ThreadObjects& objects) {
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (uint32_t index = 0; index < objects.entries.size(); ++index) {
    if (objects.entries[index].object != nullptr) {
      order.emplace_back(objects.entries[index].sequence, index);
    }
  }
  std::sort(order.rbegin(), order.rend());
  for (const auto& [sequence, index] : order) {
    const std::unique_ptr<ThreadLocalObject> dying = std::move(objects.entries[index].object);
  }
}

}  // namespace

/** Main's alone, but for `alive` of the slots. */
struct SlotAllocator::State : std::enable_shared_from_this<SlotAllocator::State> {
  /** What the threads' closures know of a slot. */
  struct SlotState {
    SlotState(uint32_t index, AnyInitializer initializer) : index(index), initializer(std::move(initializer)) {}
    const uint32_t index;
    const AnyInitializer initializer;
    std::atomic<bool> alive{true};
  };
  /** Something to run on all threads, and what comes after. */
  struct Batch {
    std::function<void(ThreadObjects&)> run;
    uint64_t id = 0;
  };

  State(uint64_t id, event::Dispatcher& main) : id(id), main(main) {}

  static void make(const SlotState& slot, ThreadObjects& objects) {
    std::unique_ptr<ThreadLocalObject> object = slot.initializer(objects.dispatcher);
    if (objects.entries.size() <= slot.index) {
      objects.entries.resize(slot.index + 1);
    }
    objects.entries[slot.index] = {std::move(object), ++objects.last_sequence};
  }

  /** A reference whose last holder sends the object back to main, to end there. */
  template <class T>
  std::shared_ptr<T> endingOnMain(std::unique_ptr<T> object, std::function<void(T&)> at_end) {
    event::Dispatcher& main_dispatcher = main;
    return std::shared_ptr<T>(object.release(), [&main_dispatcher, at_end = std::move(at_end)](T* ending) mutable {
      main_dispatcher.post([object = std::unique_ptr<T>(ending), at_end = std::move(at_end)]() mutable {
        if (at_end) {
          at_end(*object);
        }
      });
    });
  }

  void runEverywhere(std::function<void(ThreadObjects&)> run, std::function<void()> done) {
    SLUICE_CHECK(main.isThreadSafe(), "slots are changed on main");
    auto unique_batch = std::make_unique<Batch>();
    unique_batch->run = std::move(run);
    unique_batch->id = ++last_batch;
    if (done != nullptr) {
      waiting.emplace(unique_batch->id, std::move(done));
    }
    const std::shared_ptr<Batch> batch =
        endingOnMain<Batch>(std::move(unique_batch), [weak = weak_from_this()](Batch& ended) {
          if (const std::shared_ptr<State> state = weak.lock()) {
            state->finish(ended.id);
          }
        });
    forget();
    for (const std::shared_ptr<ThreadObjects>& objects : threads) {
      objects->dispatcher.post([batch, objects] {
        if (!objects->ended.load(std::memory_order_relaxed)) {
          batch->run(*objects);
        }
      });
    }
    if (main_objects != nullptr) {
      batch->run(*main_objects);
    }
  }

  void finish(uint64_t batch) {
    auto found = waiting.find(batch);
    if (found != waiting.end()) {
      const std::function<void()> done = std::move(found->second);
      waiting.erase(found);
      done();
    }
  }

  /** Threads that have ended: their dispatchers may go at any time now. */
  void forget() {
    std::erase_if(threads, [](const auto& objects) { return objects->ended.load(std::memory_order_acquire); });
  }

  void shutdownMain() {
    if (main_objects == nullptr) {
      return;
    }
    while (!waiting.empty()) {
      finish(waiting.begin()->first);
    }
    destroyAll(*main_objects);
    main_objects->ended.store(true, std::memory_order_relaxed);
    unbind(main_objects.get());
    main_objects.reset();
  }

  const uint64_t id;
  event::Dispatcher& main;
  std::shared_ptr<ThreadObjects> main_objects;
  std::vector<std::shared_ptr<ThreadObjects>> threads;
  /** Null where an index is free. */
  std::vector<std::shared_ptr<SlotState>> slots;
  std::vector<uint32_t> free_indexes;
  /** The `done`s that are still to be called, by batch. */
  std::map<uint64_t, std::function<void()>> waiting;
  uint64_t last_batch = 0;
};

SlotBase::SlotBase(SlotAllocator& allocator, uint32_t index)
    : allocator_(allocator), index_(index), allocator_id_(allocator.state_->id) {}

SlotBase::~SlotBase() { allocator_.removeSlot(index_); }

ThreadLocalObject* SlotBase::object() const {
  ThreadObjects* objects = current_objects;
  if (objects == nullptr || objects->allocator != allocator_id_) [[unlikely]] {
    objects = findBound(allocator_id_);
    if (objects == nullptr) {
      return nullptr;
    }
    current_objects = objects;
  }
  return objects->find(index_);
}

SlotAllocator::SlotAllocator(event::Dispatcher& main)
    : main_(main), state_(std::make_shared<State>(++last_allocator, main)) {
  SLUICE_CHECK(main.isThreadSafe(), "the allocator is main's");
  state_->main_objects = std::make_shared<ThreadObjects>(state_->id, main);
  bind(state_->main_objects);
}

SlotAllocator::~SlotAllocator() { state_->shutdownMain(); }

void SlotAllocator::registerThread(event::Dispatcher& worker) {
  SLUICE_CHECK(main_.isThreadSafe(), "threads are registered on main");
  auto objects = std::make_shared<ThreadObjects>(state_->id, worker);
  state_->threads.push_back(objects);
  worker.post([objects] { bind(objects); });
  for (const std::shared_ptr<State::SlotState>& slot : state_->slots) {
    if (slot != nullptr) {
      worker.post([slot, objects] {
        if (slot->alive.load(std::memory_order_relaxed)) {
          State::make(*slot, *objects);
        }
      });
    }
  }
}

void SlotAllocator::shutdownThread(event::Dispatcher& dispatcher) {
  if (&dispatcher == &main_) {
    SLUICE_CHECK(main_.isThreadSafe(), "main ends on main");
    state_->shutdownMain();
    return;
  }
  ThreadObjects* objects = findBound(state_->id);
  if (objects == nullptr || &objects->dispatcher != &dispatcher) {
    // A worker that never ran, or one whose loop a test runs on main's thread.
    SLUICE_CHECK(main_.isThreadSafe(), "a thread ends on itself");
    auto found = std::find_if(state_->threads.begin(), state_->threads.end(),
                              [&dispatcher](const auto& thread) { return &thread->dispatcher == &dispatcher; });
    if (found == state_->threads.end()) {
      return;
    }
    objects = found->get();
  }
  destroyAll(*objects);
  std::vector<Entry>().swap(objects->entries);
  objects->ended.store(true, std::memory_order_release);
  unbind(objects);
}

void SlotAllocator::runOnAllThreads(std::function<void(event::Dispatcher&)> task, std::function<void()> done) {
  state_->runEverywhere([task = std::move(task)](ThreadObjects& objects) { task(objects.dispatcher); },
                        std::move(done));
}

uint32_t SlotAllocator::addSlot(AnyInitializer initializer) {
  SLUICE_CHECK(main_.isThreadSafe(), "slots are made on main");
  uint32_t index;
  if (state_->free_indexes.empty()) {
    index = static_cast<uint32_t>(state_->slots.size());
    state_->slots.emplace_back();
  } else {
    index = state_->free_indexes.back();
    state_->free_indexes.pop_back();
  }
  const std::shared_ptr<State::SlotState> slot = state_->endingOnMain<State::SlotState>(
      std::make_unique<State::SlotState>(index, std::move(initializer)), nullptr);
  state_->slots[index] = slot;
  state_->runEverywhere(
      [slot](ThreadObjects& objects) {
        if (slot->alive.load(std::memory_order_relaxed)) {
          State::make(*slot, objects);
        }
      },
      nullptr);
  return index;
}

void SlotAllocator::removeSlot(uint32_t index) {
  SLUICE_CHECK(main_.isThreadSafe(), "slots are destroyed on main");
  state_->slots[index]->alive.store(false, std::memory_order_relaxed);
  state_->slots[index] = nullptr;
  state_->runEverywhere(
      [index](ThreadObjects& objects) {
        if (index < objects.entries.size()) {
          const std::unique_ptr<ThreadLocalObject> dying = std::move(objects.entries[index].object);
        }
      },
      nullptr);
  state_->free_indexes.push_back(index);
}

void SlotAllocator::updateSlot(uint32_t index, std::function<void(ThreadLocalObject&)> update,
                               std::function<void()> done) {
  state_->runEverywhere(
      [slot = state_->slots[index], update = std::move(update)](ThreadObjects& objects) {
        ThreadLocalObject* object = objects.find(slot->index);
        if (object != nullptr && slot->alive.load(std::memory_order_relaxed)) {
          update(*object);
        }
      },
      std::move(done));
}

}  // namespace sluice::thread
