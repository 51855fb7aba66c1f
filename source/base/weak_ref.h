#pragma once

#include <memory>
#include <utility>

namespace sluice::base {

/**
 * Lets posted closures and callbacks name an object that may die first. The object holds a WeakAnchor as its last
 * member (so that it dies first); a closure holds a WeakRef, which may be copied, moved and dropped on any thread, but
 * looked into only on the object's own. A plain flag behind a shared count: it keeps nothing alive.
 */
template <class T>
class WeakRef {
 public:
  WeakRef() = default;
  /** The object, or null if it has gone (or the reference names none). Its owner's thread only. */
  T* get() const { return target_ == nullptr ? nullptr : *target_; }
  explicit operator bool() const { return get() != nullptr; }
  T* operator->() const { return get(); }

 private:
  template <class>
  friend class WeakAnchor;
  explicit WeakRef(std::shared_ptr<T*> target) : target_(std::move(target)) {}

  std::shared_ptr<T*> target_;
};

template <class T>
class WeakAnchor {
 public:
  explicit WeakAnchor(T* owner) : target_(std::make_shared<T*>(owner)) {}
  WeakAnchor(const WeakAnchor&) = delete;
  WeakAnchor& operator=(const WeakAnchor&) = delete;
  ~WeakAnchor() { *target_ = nullptr; }

  WeakRef<T> ref() const { return WeakRef<T>(target_); }

 private:
  const std::shared_ptr<T*> target_;
};

}  // namespace sluice::base
