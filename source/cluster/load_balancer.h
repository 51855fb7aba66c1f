#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "source/base/random.h"
#include "source/cluster/endpoint.h"
#include "source/cluster/lb_options.h"

namespace envoy::config::core::v3 {
class Metadata;
}
namespace sluice::http {
class HeaderMap;
}
namespace sluice::net {
struct StreamInfo;
}

namespace sluice::cluster {

/** What a balancer may know of what it picks for. */
struct LoadBalancerContext {
  LoadBalancerContext() = default;
  // Not explicit: a connection's or stream's information is all that there is to tell.
  LoadBalancerContext(const net::StreamInfo& stream) : downstream(&stream) {}  // NOLINT(google-explicit-constructor)

  /** The downstream connection or stream; null for what Sluice does of itself. */
  const net::StreamInfo* downstream = nullptr;
  /** Of HTTP requests; null otherwise. */
  const http::HeaderMap* request_headers = nullptr;
  /** What the route's hash policies give; for balancers that hash. */
  std::optional<uint64_t> hash;
  /** How many endpoints were picked and turned down before; for balancers that hash. */
  uint32_t attempt = 0;
  /** The route's metadata_match, for subsets; null when there is none. */
  const envoy::config::core::v3::Metadata* metadata_match = nullptr;
};

/** Picks endpoints of one set, on one worker; made with the set's first pick and replaced with the set. */
class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;
  /** Null when there is nothing to give. `panicked` is set when health was ignored. */
  const EndpointSet::Entry* pick(const LoadBalancerContext& context, bool& panicked) {
    if (!peeked_.empty()) {
      const Peeked first = peeked_.front();
      peeked_.erase(peeked_.begin());
      panicked = first.panicked;
      return first.entry;
    }
    return pickNext(context, panicked);
  }
  /**
   * What a pick will give that has not been peeked at yet; null beyond a bound, when there is nothing to give, and of
   * balancers that can't tell.
   */
  const EndpointSet::Entry* peek(const LoadBalancerContext& context) {
    if (foresight_ == Foresight::Blind || peeked_.size() == kMostPeeked) {
      return nullptr;
    }
    Peeked next;
    next.entry = pickNext(context, next.panicked);
    if (next.entry != nullptr) {
      peeked_.push_back(next);
    }
    return next.entry;
  }

  /** `random` outlives the balancer, as does `set`. `worker` is what Endpoint::requestsOf() knows it by. */
  static std::unique_ptr<LoadBalancer> create(const LbOptions& options, const EndpointSet& set, base::Random& random,
                                              const void* worker);

 protected:
  /** Whether the next pick is known before there is anything to pick for. */
  enum class Foresight : uint8_t { Sees, Blind };
  explicit LoadBalancer(Foresight foresight) : foresight_(foresight) {}

  virtual const EndpointSet::Entry* pickNext(const LoadBalancerContext& context, bool& panicked) = 0;

 private:
  struct Peeked {
    const EndpointSet::Entry* entry = nullptr;
    bool panicked = false;
  };
  static constexpr size_t kMostPeeked = 64;
  const Foresight foresight_;
  std::vector<Peeked> peeked_;
};

}  // namespace sluice::cluster
