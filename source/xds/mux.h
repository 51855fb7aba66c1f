#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "envoy/config/core/v3/base.pb.h"

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/delivery.h"
#include "source/xds/discovery_stream.h"
#include "source/xds/resource_records.h"
#include "source/xds/subscription.h"
#include "source/xds/type_protocol.h"
#include "source/xds/watch.h"

namespace sluice::xds {

/**
 * All subscriptions that share one stream: ADS, or the stream of a config source that names its control plane itself. Both
 * variants of the protocol are spoken; TypeProtocol is all that differs. Responses are decoded and applied strictly in the order in which they came,
 * one at a time, whatever their type; each is answered as soon as its watchers have given their verdicts, which does not
 * wait for anything to warm. What is to be asked is collected during a turn and goes out at once. Main thread; owned by
 * the server, or by OwnStreams; outlives its subscriptions' watchers or is destroyed after them, and no callback destroys it.
 */
class Mux : private DiscoveryStream::Owner {
 public:
  struct Options {
    envoy::config::core::v3::Node node;
    bool set_node_on_first_message_only = false;
    Variant variant = Variant::StateOfTheWorld;
    DiscoveryStream::Options stream;
  };

  /** `name` is the control plane's in the log: its cluster. The stream is opened with the first subscription. */
  Mux(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, base::Random& random,
      std::unique_ptr<Transport> transport, std::string name, Options options);
  ~Mux() override;

  /** As SubscriptionFactory::subscribe(). A timeout of zero waits for ever. */
  std::unique_ptr<Subscription> subscribe(absl::string_view type_url, std::set<std::string> names,
                                          absl::string_view stat_prefix,
                                          std::chrono::milliseconds initial_fetch_timeout, ResourceWatcher& watcher);
  /** As SubscriptionFactory::pause(). Answers are held back, too. */
  std::shared_ptr<void> pause(absl::string_view type_url);

  /** What the admin pages show of a type. */
  struct TypeStatus {
    std::string type_url;
    /** Last accepted. */
    std::string version;
    std::string nonce;
    bool wildcard = false;
    bool paused = false;
    size_t subscriptions = 0;
    size_t resources = 0;
  };
  std::vector<TypeStatus> types() const;
  /** The type's resources in order of name, those that were asked for and did not come included; from `after` on. */
  std::vector<ResourceStatus> resources(absl::string_view type_url, absl::string_view after, size_t limit) const;

 private:
  class MuxSubscription;
  class TurnTask;

  /** A type that was subscribed to; kept from then on, so that what refers to it needs no check. */
  struct Type {
    Type(Variant variant, std::string type_url)
        : protocol(TypeProtocol::create(variant, type_url)), records(std::move(type_url)) {}
    const std::unique_ptr<TypeProtocol> protocol;
    WatchTable watches;
    ResourceRecords records;
    /** Subscriptions that may get what is held already, in order of their making. */
    std::vector<uint64_t> late;
    /** Names that somebody ceased to want; forgotten when the server is told. */
    std::vector<std::string> dropped;
    /** How often in a row one version was refused, and what then holds the answer back for a moment. */
    std::string refused_version;
    uint32_t repetitions = 0;
    std::unique_ptr<event::Timer> hesitation;
    /** Due when the first resource's time to live is over. */
    std::unique_ptr<event::Timer> expiry;
  };
  struct Arrived {
    uint64_t stream = 0;
    DecodedResponse response;
    /** It is no response: time took its resources away. */
    bool expired = false;
  };

  // DiscoveryStream::Owner.
  void onStreamOpened() override;
  void onStreamMessage(::grpc::ByteBuffer message) override;
  void onStreamClosed() override;

  Type& typeOf(absl::string_view type_url);
  Type* findType(absl::string_view type_url);
  void unsubscribe(Type& type, Watch& watch);
  void changeNames(Type& type, Watch& watch, std::set<std::string> names);

  void scheduleTurn();
  void turn();
  void sendRequests();
  void sendNext(TypeProtocol& protocol, const ResourceRecords& held);
  /** Begins the next delivery, unless one is under way. */
  void deliverNext();
  /** False if nobody waits for anything that is held. */
  bool deliverLate();
  void deliveredLate(Type& type, std::vector<ResourceError> refused);
  /** False if there is nothing to deliver: the response is broken, or nobody's. */
  bool wanted(Arrived& arrived);
  /** Finds out what resources without bodies mean: nothing new, gone, or a mistake. */
  void resolveHeartbeats(Type& type, DecodedResponse& response);
  void delivered(Type& type, uint64_t stream, bool expired, std::vector<ResourceError> refused);
  /** Slows down a server that answers a NACK by sending the same again, as some do without end. */
  void hesitateIfRepeated(Type& type, const std::string& version);
  void armExpiry(Type& type);
  void expire(Type& type);

  event::Dispatcher& main_;
  stats::Scope& root_;
  DecoderThread& decoder_;
  const Options options_;
  stats::ScopePtr scope_;
  stats::Counter ignored_responses_;

  /** In order of the first subscription, which is the order in which they are asked for. */
  std::vector<std::unique_ptr<Type>> types_;
  absl::flat_hash_map<std::string, int> pauses_;
  uint64_t last_watch_ = 0;

  std::deque<Arrived> arrived_;
  std::unique_ptr<Delivery> delivery_;
  Type* delivering_ = nullptr;
  bool node_sent_ = false;
  std::unique_ptr<TurnTask> turn_task_;
  DiscoveryStream stream_;
  const base::WeakAnchor<Mux> anchor_{this};
};

}  // namespace sluice::xds
