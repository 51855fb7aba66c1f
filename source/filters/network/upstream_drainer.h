#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/cluster/tcp_upstream.h"
#include "source/filters/network/tcp_proxy.h"
#include "source/thread/slot.h"

namespace sluice::filters {

/**
 * Upstream connections of one worker whose client has gone, while the bytes that it left are written out: a client that
 * sends its last bytes and closes has them delivered. Each goes when all is written, on any error, or when the idle
 * timeout that it came with (five minutes where that was disabled) passes.
 */
class UpstreamDrainer : public thread::ThreadLocalObject {
 public:
  explicit UpstreamDrainer(event::Dispatcher& dispatcher);
  ~UpstreamDrainer() override;

  void drain(std::unique_ptr<cluster::TcpUpstream> upstream, std::shared_ptr<const net::NetworkFilterConfig> config);

 private:
  class Draining;

  event::Dispatcher& dispatcher_;
  absl::flat_hash_map<Draining*, std::unique_ptr<Draining>> draining_;
};

}  // namespace sluice::filters
