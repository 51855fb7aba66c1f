#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/xds/subscription.h"

namespace sluice::xds {

/** As envoy.admin.v3.ClientResourceStatus. */
enum class ResourceState { Requested, Acked, Nacked };

/** What is known of one resource; what the admin pages show. */
struct ResourceStatus {
  std::string name;
  ResourceState state = ResourceState::Requested;
  /** Of the version in force; empty and unset while there is none. */
  std::string version;
  base::SystemTime last_updated;
  /** envoy.admin.v3.UpdateFailureState of the last refusal since then. */
  struct Failure {
    std::string version;
    std::string details;
    base::SystemTime time;
    std::shared_ptr<const google::protobuf::Message> message;
  };
  std::optional<Failure> failure;
};

/**
 * The resources of one type: those in force, so that a new subscription to a name that the server will not send again has
 * it at once, and the last refusal of each. Main thread; owned by the mux.
 */
class ResourceRecords {
 public:
  explicit ResourceRecords(std::string type_url) : type_url_(std::move(type_url)) {}

  /**
   * Takes what is to be kept: of a message that nobody else keeps the bytes alone, a fraction of its size; it is left in
   * `resource`. `mark` tells the resources of one response from those that it left out: see sweep().
   */
  void accepted(Resource& resource, base::SystemTime now, base::MonotonicTime monotonic, uint64_t mark);
  void refused(const ResourceError& error, absl::string_view version, base::SystemTime now, uint64_t mark);
  void forget(const std::string& name);

  // Resources with a time to live. There are few, and mostly none.

  /** The resource lives for this long from now on; 0: as long as nobody takes it away. */
  void extend(const std::string& name, std::chrono::milliseconds ttl, base::MonotonicTime now);
  base::MonotonicTime nextExpiry() const;
  std::vector<std::string> expired(base::MonotonicTime now) const;

  /**
   * Forgets resources without the mark, some at a time: goes on after `position`, and is done when it returns false.
   */
  bool sweep(uint64_t mark, std::string& position);

  /** `visit` gets what is kept: names and versions, but not always messages. */
  template <class Visit>
  void forEachHeld(Visit&& visit) const {
    for (const auto& [name, record] : records_) {
      if (record.resource.has_value()) {
        visit(*record.resource);
      }
    }
  }

  /** The resource in force, or none. */
  std::optional<Resource> held(const std::string& name) const;
  /** Its version; null where there is none. */
  const std::string* heldVersion(const std::string& name) const;
  std::vector<Resource> allHeld() const;

  /** In order of name, from the first one after `after` on. */
  std::vector<ResourceStatus> list(absl::string_view after, size_t limit) const;
  size_t size() const { return records_.size(); }

 private:
  struct Record {
    std::optional<Resource> resource;
    base::SystemTime last_updated;
    std::optional<ResourceStatus::Failure> failure;
    uint64_t mark = 0;
  };

  /** With its message, whatever of it is kept. */
  Resource whole(const Resource& kept) const;

  const std::string type_url_;
  std::map<std::string, Record, std::less<>> records_;
  std::map<std::string, base::MonotonicTime> expiries_;
};

}  // namespace sluice::xds
