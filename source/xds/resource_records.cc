#include "source/xds/resource_records.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"
#include "source/config/type_registry.h"
#include "source/xds/nack.h"

namespace sluice::xds {
namespace {

/** Records looked at in one call of sweep(). */
constexpr int kSweepAtOnce = 200;

}  // namespace

void ResourceRecords::accepted(Resource& resource, base::SystemTime now, base::MonotonicTime monotonic, uint64_t mark) {
  extend(resource.name, resource.ttl, monotonic);
  Record& record = records_[resource.name];
  std::shared_ptr<const google::protobuf::Message> message = std::move(resource.message);
  Resource& kept = record.resource.emplace(std::move(resource));
  if (message.use_count() == 1 && kept.bytes != nullptr) {
    resource.message = std::move(message);
  } else {
    kept.message = std::move(message);
    kept.bytes.reset();
  }
  record.last_updated = now;
  record.failure.reset();
  record.mark = mark;
}

void ResourceRecords::refused(const ResourceError& error, absl::string_view version, base::SystemTime now,
                              uint64_t mark) {
  Record& record = records_[error.name];
  record.failure = ResourceStatus::Failure{
      std::string(version), describeErrors(type_url_, absl::MakeConstSpan(&error, 1)), now, error.message};
  record.mark = mark;
}

void ResourceRecords::forget(const std::string& name) {
  records_.erase(name);
  expiries_.erase(name);
}

void ResourceRecords::extend(const std::string& name, std::chrono::milliseconds ttl, base::MonotonicTime now) {
  if (ttl.count() > 0) {
    expiries_[name] = now + ttl;
  } else if (!expiries_.empty()) {
    expiries_.erase(name);
  }
}

base::MonotonicTime ResourceRecords::nextExpiry() const {
  base::MonotonicTime next = base::MonotonicTime::max();
  for (const auto& [name, at] : expiries_) {
    next = std::min(next, at);
  }
  return next;
}

std::vector<std::string> ResourceRecords::expired(base::MonotonicTime now) const {
  std::vector<std::string> names;
  for (const auto& [name, at] : expiries_) {
    if (at <= now) {
      names.push_back(name);
    }
  }
  return names;
}

bool ResourceRecords::sweep(uint64_t mark, std::string& position) {
  auto at = position.empty() ? records_.begin() : records_.upper_bound(position);
  for (int i = 0; i < kSweepAtOnce && at != records_.end(); ++i) {
    position = at->first;
    if (at->second.mark != mark) {
      expiries_.erase(at->first);
      at = records_.erase(at);
    } else {
      ++at;
    }
  }
  return at != records_.end();
}

Resource ResourceRecords::whole(const Resource& kept) const {
  Resource resource = kept;
  if (resource.message == nullptr && resource.bytes != nullptr) {
    google::protobuf::Any any;
    any.set_type_url(type_url_);
    any.set_value(*resource.bytes);
    config::Violations none;
    resource.message = config::unpackShared(any, config::FieldPath(), none);
    SLUICE_CHECK(resource.message != nullptr, "what was parsed once is parsed again");
  }
  return resource;
}

std::optional<Resource> ResourceRecords::held(const std::string& name) const {
  const auto found = records_.find(name);
  if (found == records_.end() || !found->second.resource.has_value()) {
    return std::nullopt;
  }
  return whole(*found->second.resource);
}

const std::string* ResourceRecords::heldVersion(const std::string& name) const {
  const auto found = records_.find(name);
  return found == records_.end() || !found->second.resource.has_value() ? nullptr : &found->second.resource->version;
}

std::vector<Resource> ResourceRecords::allHeld() const {
  std::vector<Resource> all;
  for (const auto& [name, record] : records_) {
    if (record.resource.has_value()) {
      all.push_back(whole(*record.resource));
    }
  }
  return all;
}

std::vector<ResourceStatus> ResourceRecords::list(absl::string_view after, size_t limit) const {
  std::vector<ResourceStatus> list;
  for (auto at = after.empty() ? records_.begin() : records_.upper_bound(after);
       at != records_.end() && list.size() < limit; ++at) {
    const auto& [name, record] = *at;
    ResourceStatus status;
    status.name = name;
    status.state = record.failure.has_value() ? ResourceState::Nacked : ResourceState::Acked;
    if (record.resource.has_value()) {
      status.version = record.resource->version;
      status.last_updated = record.last_updated;
    }
    status.failure = record.failure;
    list.push_back(std::move(status));
  }
  return list;
}

}  // namespace sluice::xds
