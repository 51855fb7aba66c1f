#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "source/base/weak_ref.h"
#include "source/event/deadline.h"
#include "source/event/dispatcher.h"
#include "source/filters/http/jwt_keys.h"
#include "source/grpc/http_call.h"
#include "source/grpc/service_config.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"
#include "source/xds/init_manager.h"

namespace sluice::filters {

/** Where a key set comes from (RemoteJwks), as plain data. */
struct JwtRemoteSettings {
  std::string cluster;
  std::string host;
  std::string path;
  std::chrono::milliseconds timeout{1000};
  std::chrono::milliseconds cache_duration = std::chrono::minutes(10);
  /** Fetched before the first request wants it, and anew before it is out of date. */
  bool async = false;
  /** The listener need not wait for the first fetch. */
  bool fast_listener = false;
  std::chrono::milliseconds failed_refetch{1000};
  grpc::RetrySettings retry;
};

/** http.<prefix>.jwt_authn.*: of fetches. */
struct JwtFetchStats {
  stats::Counter jwks_fetch_success;
  stats::Counter jwks_fetch_failed;
};

/** Told once that keys were fetched, or could not be. Unlinks itself when it goes. One worker. */
class JwtKeysWaiter {
 public:
  JwtKeysWaiter() = default;
  JwtKeysWaiter(const JwtKeysWaiter&) = delete;
  virtual ~JwtKeysWaiter() { unlink(); }
  virtual void onKeys() = 0;
  void unlink();

 private:
  friend class JwtRemoteKeys;
  JwtKeysWaiter** before_ = nullptr;
  JwtKeysWaiter* after_ = nullptr;
};

/**
 * A key set that is fetched over a cluster: by main, once for all workers, each of which has the newest in its slot. Made
 * and destroyed on main; keys() and wait() on any worker, while whoever owns it lives.
 */
class JwtRemoteKeys final : public grpc::HttpCallCallbacks {
 public:
  JwtRemoteKeys(JwtRemoteSettings settings, event::Dispatcher& main, thread::SlotAllocator& slots,
                const grpc::Upstreams& upstreams, const JwtFetchStats& stats, xds::InitManager& init);

  /** Null when they have never been fetched, or are out of date. */
  std::shared_ptr<const JwtKeys> keys() const;
  /** Has them fetched, and tells `waiter`, from a later turn. */
  void wait(JwtKeysWaiter& waiter) const;

 private:
  struct Local : thread::ThreadLocalObject {
    explicit Local(event::Dispatcher& d) : dispatcher(d) {}
    ~Local() override;
    event::Dispatcher& dispatcher;
    std::shared_ptr<const JwtKeys> keys;
    base::MonotonicTime good_until;
    JwtKeysWaiter* waiters = nullptr;
    bool asked = false;
  };

  // Main thread.
  void fetch();
  void begin();
  void onTimer();
  void onResponse(const grpc::HttpResponse& response) override;
  void onFailure(grpc::CallFailure failure, absl::string_view text) override;
  void onFailed(absl::string_view why, bool retriable);
  void deliver(std::shared_ptr<const JwtKeys> keys);

  const JwtRemoteSettings settings_;
  event::Dispatcher& main_;
  const grpc::Upstreams& upstreams_;
  const JwtFetchStats stats_;
  thread::Slot<Local> slot_;
  std::unique_ptr<grpc::HttpCall> call_;
  uint32_t retries_left_ = 0;
  std::chrono::milliseconds back_off_{0};
  /** The timer is for another attempt. */
  bool retrying_ = false;
  /** For a retry, or the next fetch of async ones. */
  event::MemberDeadline<JwtRemoteKeys, &JwtRemoteKeys::onTimer> timer_{*this};
  std::unique_ptr<xds::InitTarget> init_;
  const base::WeakAnchor<JwtRemoteKeys> anchor_{this};
};

}  // namespace sluice::filters
