#include "source/net/stream_info.h"

#include <new>

#include "envoy/config/core/v3/base.pb.h"

namespace sluice::net {
namespace {

/** Memory for one UpstreamInfo each; bounded, so that a burst gives its memory back. */
struct FreeUpstreams {
  struct Free {
    Free* next;
  };
  static constexpr size_t kMaxKept = 1024;
  ~FreeUpstreams() {
    while (head != nullptr) {
      ::operator delete(std::exchange(head, head->next));
    }
  }
  Free* head = nullptr;
  size_t count = 0;
};

thread_local FreeUpstreams free_upstreams;

}  // namespace

StreamExtras::StreamExtras() = default;
StreamExtras::~StreamExtras() = default;

UpstreamWishes& StreamExtras::makeUpstreamWishes() {
  if (upstream_wishes == nullptr) {
    upstream_wishes = std::make_unique<UpstreamWishes>();
  }
  return *upstream_wishes;
}

StreamExtras& StreamInfo::makeExtras() {
  if (extras == nullptr) {
    extras = std::make_unique<StreamExtras>();
  }
  return *extras;
}

void StreamInfo::restoreLocal(Address meant) {
  StreamExtras& made = makeExtras();
  made.local_address_restored = true;
  if (made.direct_local.kind() == Address::Kind::None) {
    made.direct_local = std::move(downstream_local);
  }
  downstream_local = std::move(meant);
}

const Address& StreamInfo::directLocal() const {
  const StreamInfo& of = connection();
  const bool restored = of.extras != nullptr && of.extras->direct_local.kind() != Address::Kind::None;
  return restored ? of.extras->direct_local : downstream_local;
}

absl::string_view StreamInfo::requestedServerName() const {
  const StreamExtras* const found = connection().extras.get();
  return found == nullptr ? absl::string_view() : absl::string_view(found->requested_server_name);
}

const FilterState::Object* StreamInfo::filterState(absl::string_view name) const {
  const FilterState::Object* const own = extras == nullptr ? nullptr : extras->filter_state.get(name);
  if (own != nullptr || of_connection == nullptr || of_connection->extras == nullptr) {
    return own;
  }
  return of_connection->extras->filter_state.get(name);
}

void* UpstreamInfo::operator new(size_t size) {
  if (free_upstreams.head == nullptr) {
    return ::operator new(size);
  }
  --free_upstreams.count;
  return std::exchange(free_upstreams.head, free_upstreams.head->next);
}

void UpstreamInfo::operator delete(void* memory) {
  if (free_upstreams.count == FreeUpstreams::kMaxKept) {
    ::operator delete(memory);
    return;
  }
  ++free_upstreams.count;
  free_upstreams.head = new (memory) FreeUpstreams::Free{free_upstreams.head};
}

}  // namespace sluice::net
