#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "source/config/canonical_key.h"
#include "source/config/violations.h"

namespace envoy::config::core::v3 {
class ConfigSource;
}

namespace sluice::xds {

/** Type URLs of the resources that Sluice asks for. */
inline constexpr absl::string_view kListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr absl::string_view kClusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr absl::string_view kRouteType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr absl::string_view kEndpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr absl::string_view kSecretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/** A resource that the decoder parsed and validated; immutable from then on. */
struct Resource {
  std::string name;
  std::string version;
  std::shared_ptr<const google::protobuf::Message> message;
  /** The message as it came, a fraction of its size: for those who only keep it to show it. */
  std::shared_ptr<const std::string> bytes;
  /** Of the resource's canonical meaning: equal keys are the same resource in whatever encoding. */
  config::ContentKey key;
  /** It goes by itself unless it is sent again within this time; 0: it stays. */
  std::chrono::milliseconds ttl{0};
};

/** Why a resource was refused; goes into the NACK, the admin pages and the log. */
struct ResourceError {
  std::string name;
  config::Violations violations;
  /** The resource itself where it could be parsed: UpdateFailureState.failed_configuration. */
  std::shared_ptr<const google::protobuf::Message> message = nullptr;
};

/** Everything of one response (or file) that decoded well. */
struct Update {
  /** State of the world: all that the server has of the type. Delta: what changed. */
  std::vector<Resource> resources;
  /** Names that are gone. For a state-of-the-world wildcard type the watcher finds them itself: see full_state. */
  std::vector<std::string> removed;
  /**
   * True when `resources` is the whole state and nothing of the response failed to decode, so that what is not in it is
   * gone. With a resource that could not be decoded nothing is removed: it may be the very one that is missing.
   */
  bool full_state = false;
  std::string version;
};

/** Gives the verdict on an update: the resources refused by main's own checks. Empty means that all was accepted. */
using UpdateDone = absl::AnyInvocable<void(std::vector<ResourceError>)>;

enum class FetchFailure {
  Timeout,
  /** Of a file that could not be read. A stream that breaks is made again, and the fetch timeout goes on, as in Envoy. */
  ConnectionFailure,
  Rejected,
};

/**
 * Receives the resources of one subscription. Main thread. One update at a time: the next comes after `done` was called.
 * Long updates are applied in slices of at most a millisecond, so `done` may be called from a later turn.
 */
class ResourceWatcher {
 public:
  virtual ~ResourceWatcher() = default;
  virtual void onUpdate(Update update, UpdateDone done) = 0;
  /** No first answer in time, no file to read, or nothing of it decoded: whoever waits for it may go on. */
  virtual void onFetchFailure(FetchFailure reason) = 0;
  /**
   * A resource of this subscription that did not even decode, for the admin pages' error states; it is counted, logged
   * and part of the NACK already. Called for one after the other, in as many turns as it takes, the `first` one of each
   * response being told as such; then comes the onUpdate() with what did decode, or onFetchFailure() if nothing did.
   */
  virtual void onUndecodable(const ResourceError& error, absl::string_view version, bool first) {
    static_cast<void>(error);
    static_cast<void>(version);
    static_cast<void>(first);
  }
};

/** A standing request for resources of one type; destroying it ends the interest. Main thread. */
class Subscription {
 public:
  virtual ~Subscription() = default;
  /** Replaces the names asked for; requests of one turn go out together. Wildcard subscriptions have none. */
  virtual void setNames(std::set<std::string> names) = 0;
};

/** Makes subscriptions over ADS, over a stream of their own, or from a file, as a ConfigSource says. Main thread. */
class SubscriptionFactory {
 public:
  virtual ~SubscriptionFactory() = default;
  /**
   * `names` empty is the wildcard. `stat_prefix` ("cluster_manager.cds.", "cluster.be.") gets Envoy's subscription
   * statistics (update_attempt, update_success, update_rejected, update_failure, init_fetch_timeout, version, ...). The
   * watcher outlives the subscription. Fails when the source is of a kind that Sluice does not have.
   */
  virtual absl::StatusOr<std::unique_ptr<Subscription>> subscribe(const envoy::config::core::v3::ConfigSource& source,
                                                                  absl::string_view type_url,
                                                                  std::set<std::string> names,
                                                                  absl::string_view stat_prefix,
                                                                  ResourceWatcher& watcher) = 0;
  /** While any pause of a type lives, its requests are held back and then sent together. */
  virtual std::shared_ptr<void> pause(absl::string_view type_url) = 0;
};

}  // namespace sluice::xds
