#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace sluice::net {

/** How far an object of the filter state is seen. */
enum class FilterStateLife : uint8_t {
  /** By the filters of one HTTP stream. */
  Stream,
  /** By all streams of the downstream connection. */
  Connection,
};

/**
 * Objects that filters leave for one another by name, as Envoy's filter state (envoy.network.upstream_server_name).
 * StreamInfo::filterState() looks into a stream's and its connection's. One thread.
 */
class FilterState {
 public:
  class Object {
   public:
    virtual ~Object() = default;
    /** As %FILTER_STATE(key:PLAIN)% prints it and as matchers see it; empty when it has no text. */
    virtual std::string serialize() const = 0;
  };

  /** `read_only`: a later set() of the name is refused (returns false). */
  bool set(absl::string_view name, std::shared_ptr<const Object> object, bool read_only = false) {
    Entry& entry = entries_[std::string(name)];
    if (entry.read_only) {
      return false;
    }
    entry = {std::move(object), read_only};
    return true;
  }
  /** Null when there is none. */
  const Object* get(absl::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second.object.get();
  }

 private:
  struct Entry {
    std::shared_ptr<const Object> object;
    bool read_only = false;
  };
  absl::flat_hash_map<std::string, Entry> entries_;
};

/** An object that is a text, which is what most are. */
class TextFilterState : public FilterState::Object {
 public:
  explicit TextFilterState(std::string text) : text_(std::move(text)) {}
  std::string serialize() const override { return text_; }
  const std::string& text() const { return text_; }

 private:
  const std::string text_;
};

}  // namespace sluice::net
