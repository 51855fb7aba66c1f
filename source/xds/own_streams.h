#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"

#include "source/base/random.h"
#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/mux.h"
#include "source/xds/subscription.h"
#include "source/xds/transport.h"

namespace sluice::xds {

/**
 * The streams of config sources that name a control plane themselves (api_config_source), such as SDS from an agent's
 * socket: one for each type and source, shared by all its subscriptions, gone with the last of them. Main thread; owned
 * by the server; subscriptions may outlive it.
 */
class OwnStreams : private event::IntrusiveTask {
 public:
  /** The references outlive this. */
  OwnStreams(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, base::Random& random,
             envoy::config::core::v3::Node node, TransportFactory transports);
  ~OwnStreams() override;

  /**
   * As SubscriptionFactory::subscribe(). The stream's statistics are below the prefix of who asked for it first:
   * "cluster_manager.cds.control_plane.connected_state".
   */
  absl::StatusOr<std::unique_ptr<Subscription>> subscribe(const envoy::config::core::v3::ApiConfigSource& source,
                                                          absl::string_view type_url, std::set<std::string> names,
                                                          absl::string_view stat_prefix,
                                                          std::chrono::milliseconds initial_fetch_timeout,
                                                          ResourceWatcher& watcher);
  /** As SubscriptionFactory::pause(); holds for streams that come meanwhile, too. */
  std::shared_ptr<void> pause(absl::string_view type_url);

 private:
  class OwnSubscription;

  struct OwnStream {
    std::unique_ptr<Mux> mux;
    size_t subscriptions = 0;
    std::shared_ptr<void> pause;
  };
  /** The type, and the source's content. */
  using Key = std::pair<std::string, std::string>;

  absl::StatusOr<std::unique_ptr<OwnStream>> open(const envoy::config::core::v3::ApiConfigSource& source,
                                                  absl::string_view type_url, absl::string_view stat_prefix);
  void release(const Key& key);
  void endPause(const std::string& type_url);
  /** Destroys what has ended. */
  void run() override { ended_.clear(); }

  event::Dispatcher& main_;
  stats::Scope& root_;
  DecoderThread& decoder_;
  base::Random& random_;
  const envoy::config::core::v3::Node node_;
  const TransportFactory transports_;
  std::map<Key, std::unique_ptr<OwnStream>> streams_;
  /** In the next turn: the last subscription may go in a callback of its own stream. */
  std::vector<std::unique_ptr<OwnStream>> ended_;
  absl::flat_hash_map<std::string, int> pauses_;
  const base::WeakAnchor<OwnStreams> anchor_{this};
};

}  // namespace sluice::xds
