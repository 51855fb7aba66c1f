#pragma once

namespace sluice::event {

/** What may be asked to go while its own frames are on the stack: see Dispatcher::deferredDelete(). */
class DeferredDeletable {
 public:
  virtual ~DeferredDeletable() = default;
};

}  // namespace sluice::event
