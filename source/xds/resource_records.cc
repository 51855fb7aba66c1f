#include "source/xds/resource_records.h"

#include <utility>

#include "source/xds/nack.h"

namespace sluice::xds {
namespace {

/** Records looked at in one call of sweep(). */
constexpr int kSweepAtOnce = 200;

}  // namespace

void ResourceRecords::accepted(Resource resource, base::SystemTime now, uint64_t mark) {
  Record& record = records_[resource.name];
  record.resource = std::move(resource);
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

bool ResourceRecords::sweep(uint64_t mark, std::string& position) {
  auto at = position.empty() ? records_.begin() : records_.upper_bound(position);
  for (int i = 0; i < kSweepAtOnce && at != records_.end(); ++i) {
    position = at->first;
    at = at->second.mark == mark ? std::next(at) : records_.erase(at);
  }
  return at != records_.end();
}

const Resource* ResourceRecords::held(const std::string& name) const {
  auto found = records_.find(name);
  return found == records_.end() || !found->second.resource.has_value() ? nullptr : &*found->second.resource;
}

std::vector<Resource> ResourceRecords::allHeld() const {
  std::vector<Resource> all;
  for (const auto& [name, record] : records_) {
    if (record.resource.has_value()) {
      all.push_back(*record.resource);
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
