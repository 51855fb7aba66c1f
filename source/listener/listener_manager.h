#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/base/weak_ref.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/listener/drains.h"
#include "source/listener/listener_builder.h"
#include "source/listener/listener_version.h"
#include "source/listener/listener_view.h"
#include "source/listener/workers.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::listener {

struct ListenerManagerOptions {
  /** `--drain-time-s`: how long connections of what went away may live on. */
  std::chrono::milliseconds drain_time{600000};
  /** False in `--mode validate`: all is checked, nothing is bound. */
  bool open_sockets = true;
};

/** The verdict on a resource. */
struct ListenerVerdict {
  enum class Kind {
    /** Taken, or nothing to do. */
    Accepted,
    Refused,
    /**
     * Refused because something else holds its address. May be tried again when that has gone: another listener that
     * the same response moves, or sockets that workers are still closing.
     */
    AddressTaken,
  };
  Kind kind = Kind::Accepted;
  config::Violations violations;
};

/**
 * All listeners on the main thread: warming, active and draining. Builds versions from resources, binds their sockets,
 * warms them, makes them take over what the version before them had, and gives them to the workers. Owned by the
 * server, which stops the workers before it destroys this. docs/life_of_an_update.md tells the way of an update.
 */
class ListenerManager {
 public:
  /**
   * All references outlive it. `root` is the scope without prefix; `process_limit` gets its limit from the runtime.
   * Versions that are taken before startWorkers() hold up `server_init`.
   */
  ListenerManager(event::Dispatcher& main, Workers& workers, const ListenerBuilder& builder,
                  ConnectionLimit& process_limit, std::shared_ptr<const runtime::Snapshot> runtime, stats::Scope& root,
                  xds::InitManager& server_init, const ListenerManagerOptions& options);
  ~ListenerManager();
  ListenerManager(const ListenerManager&) = delete;

  /**
   * A listener of the bootstrap (an envoy.config.listener.v3.Listener), before startWorkers(). Mistakes go to
   * `violations`, under `path`.
   */
  void addStatic(std::shared_ptr<const google::protobuf::Message> listener, const config::FieldPath& path,
                 config::Violations& violations);

  // What Lds drives.

  /** Adds or updates a listener of xDS, up to the verdict; the rest follows. */
  ListenerVerdict addOrUpdate(const xds::Resource& resource);
  /** Drains it. Nothing to do if it is not there, or is of the bootstrap. */
  void remove(absl::string_view name);
  /**
   * The name of the next listener that xDS gave, in order, one that only warms included; null after the last. Nothing comes
   * before "".
   */
  const std::string* nextDynamicName(absl::string_view after) const;
  /** A new response begins: what the last one did wrong is forgotten. */
  void clearFailures();
  void noteFailure(absl::string_view name, ListenerFailure failure) {
    failures_[std::string(name)] = std::move(failure);
  }
  /** Whether workers still have sockets to close. */
  bool closesSockets() const { return closings_ > 0; }
  /** Runs `then` when no worker is closing sockets (now, if so): what still holds addresses is then in use. */
  void whenSocketsClosed(std::function<void()> then);
  /** The version of the last whole response, for /config_dump. */
  const std::string& version() const { return version_; }
  void setVersion(std::string version) { version_ = std::move(version); }

  // What the server and the admin pages drive.

  /**
   * Listens on what is ready and gives it to the workers, which have been started or are about to be; and so from now
   * on with what becomes ready. `done` once the workers have taken over what there is.
   */
  void startWorkers(std::function<void()> done);
  /**
   * Stops accepting, for good (/drain_listeners): of all, or of those whose traffic_direction is INBOUND, later ones
   * included. Connections go on.
   */
  void stopListeners(bool inbound_only);

  /** Every listener's name, and those of refused resources, in order. */
  std::vector<std::string> names() const;
  std::optional<ListenerView> view(absl::string_view name) const;

 private:
  struct Stats {
    explicit Stats(stats::Scope& scope);
    stats::Counter added, modified, removed, stopped, create_success, create_failure, in_place_updated;
    stats::Gauge active, warming, draining, draining_chains, workers_started;
  };
  struct DrainingView {
    std::string name;
    bool dynamic;
    ListenerVersionView version;
  };
  using Failures = std::map<std::string, ListenerFailure, std::less<>>;
  /** Frees what was forgotten: a failure holds a whole configuration, and there may be thousands. */
  class Forgotten final : public event::IntrusiveTask {
   public:
    explicit Forgotten(event::Dispatcher& main) : main_(main) {}
    void take(Failures failures);

   private:
    void run() override;

    event::Dispatcher& main_;
    Failures failures_;
  };

  ListenerVerdict build(const xds::Resource& resource, const config::FieldPath& path, bool dynamic);
  /** Says who else has one of the addresses; true if somebody has. */
  bool findDuplicateAddress(const ListenerParts& parts, uint64_t listener, config::Violations& violations) const;
  absl::Status bindSockets(const Listener* listener, ListenerVersion& version, const ListenAddress*& failed) const;
  void warm(Listener& listener, std::unique_ptr<ListenerVersion> version);
  /** The warming version has what it waited for. */
  void onWarm(uint64_t listener);
  void failToStart(Listener& listener, const ListenerVersion& version, const absl::Status& status);
  /** Makes the version the listener's newest on the workers; `old` is what they have. `taken_over` may be null. */
  void giveToWorkers(Listener& listener, ListenerVersion& version, const ListenerVersion* old,
                     std::function<void()> taken_over);
  absl::Status listen(Listener& listener, ListenerVersion& version);
  std::vector<ListenerAssignment> assignments(const Listener& listener, const ListenerVersion& version);
  std::shared_ptr<const ListenerStats> statsFor(const ListenerVersion& version, const ListenerVersion* old);
  void setActive(Listener& listener, std::unique_ptr<ListenerVersion> version);
  void setWarming(Listener& listener, std::unique_ptr<ListenerVersion> version);
  std::unique_ptr<ListenerVersion> takeWarming(Listener& listener);
  void erase(Listener& listener);
  bool isStopped(const ListenerVersion& version) const;
  uint64_t limitOf(absl::string_view name) const;
  void onSocketsClosed();
  void onFirstTakenOver();
  static ListenerVersionView viewOf(const ListenerVersion& version);

  event::Dispatcher& main_;
  Workers& workers_;
  const ListenerBuilder& builder_;
  ConnectionLimit& process_limit_;
  std::shared_ptr<const runtime::Snapshot> runtime_;
  const stats::ScopePtr root_;
  const stats::ScopePtr scope_;
  xds::InitManager& server_init_;
  const ListenerManagerOptions options_;
  const Stats stats_;

  AddressBook addresses_;
  /** Of listeners that do not bind: others hand connections on to them by these. */
  AddressBook unbound_addresses_;
  std::map<std::string, Listener, std::less<>> listeners_;
  absl::flat_hash_map<uint64_t, Listener*> by_id_;
  uint64_t active_count_ = 0;
  uint64_t warming_count_ = 0;
  uint64_t last_listener_id_ = 0;
  /** Removed listeners whose connections live on, by the workers' name for them. */
  std::map<uint64_t, DrainingView> draining_;
  Failures failures_;
  Forgotten forgotten_{main_};
  std::string version_;
  Drains drains_;

  bool workers_started_ = false;
  std::function<void()> started_done_;
  /** Of startWorkers(): listeners that the workers have not taken over yet. */
  uint32_t first_ones_left_ = 0;
  enum class Stop { None, Inbound, All } stop_ = Stop::None;
  /** Orders to close sockets that workers have not all carried out. */
  uint32_t closings_ = 0;
  std::vector<std::function<void()>> after_closings_;
  base::WeakAnchor<ListenerManager> anchor_{this};
};

}  // namespace sluice::listener
