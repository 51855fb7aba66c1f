#include "source/tls/context_publisher.h"

#include <utility>

namespace sluice::tls {

ContextPublisher::ContextPublisher(event::Dispatcher& main, thread::SlotAllocator& slots)
    : main_(main), slot_(slots, [](event::Dispatcher&) { return std::make_unique<Local>(); }) {}

void ContextPublisher::publish(uint64_t id, ContextPtr context) {
  if (changes_.empty()) {
    main_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->send();
      }
    });
  }
  changes_.emplace_back(id, std::move(context));
}

void ContextPublisher::send() {
  slot_.runOnAllThreads([changes = std::exchange(changes_, {})](Local& local) {
    for (const auto& [id, context] : changes) {
      if (context == nullptr) {
        local.contexts.erase(id);
      } else {
        local.contexts[id] = context;
      }
    }
  });
}

ContextPublisher::ContextPtr ContextPublisher::find(uint64_t id) const {
  const Local* local = slot_.get();
  if (local == nullptr) {
    return nullptr;
  }
  const auto found = local->contexts.find(id);
  return found == local->contexts.end() ? nullptr : found->second;
}

}  // namespace sluice::tls
