#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "source/base/intrusive_list.h"
#include "source/event/deferred_delete.h"
#include "source/event/dispatcher.h"
#include "source/listener/listener_spec.h"
#include "source/net/filter.h"
#include "source/net/socket.h"
#include "source/net/stream_info.h"

namespace sluice::listener {

class LocalListener;

/**
 * An accepted socket while its listener filters look at it, for at most the listener's timeout. They run one after the
 * other and read without taking; one may pause and go on later. Owns itself; deletes itself (deferred) when it has
 * become a connection or was refused. Worker thread.
 *
 *   start() -> filter -> filter -> ... -> done: LocalListener::onListenerFiltersDone()
 *                |  ^
 *   StopIteration|  | continueFilterChain(true), or onData() says Continue
 *                v  |
 *              paused -- continueFilterChain(false), peer's end, error, timeout --> LocalListener::onSocketRefused()
 */
class PendingSocket final : public event::DeferredDeletable,
                            public base::ListHook,
                            private net::ListenerFilterCallbacks {
 public:
  /** `handed_on`: another listener had it before, and it stays with this one. */
  PendingSocket(LocalListener& listener, net::Socket socket, net::StreamInfo info, bool handed_on);
  ~PendingSocket() override;

  void start();
  /** Refuses it now: its listener goes. */
  void abandon();

 private:
  // net::ListenerFilterCallbacks
  int fd() const override { return socket_.fd(); }
  event::Dispatcher& dispatcher() override;
  net::StreamInfo& streamInfo() override { return info_; }
  void continueFilterChain(bool success) override;

  /** Runs filters from the current one on until one pauses or all are done. */
  void runFilters();
  /** Gives the current filter what the socket holds. True when it is done with it. */
  bool peek();
  /** One look at the socket. */
  enum class Look : uint8_t { Again, Wait, Done, Finished };
  Look lookOnce();
  void fail(const stats::Counter& reason);
  void onReady(uint32_t bits);
  void onTimeout();
  void finish(bool success);

  LocalListener& listener_;
  /** The filters came from this version, whatever the listener has become meanwhile. */
  const std::shared_ptr<const ListenerSpec> spec_;
  net::Socket socket_;
  net::StreamInfo info_;
  std::vector<std::unique_ptr<net::ListenerFilter>> filters_;
  size_t current_ = 0;
  /** Room for what is peeked at. */
  std::unique_ptr<char[]> bytes_;
  size_t room_ = 0;
  /** What the current filter was shown last. */
  size_t shown_ = 0;
  std::unique_ptr<event::FileEvent> event_;
  std::unique_ptr<event::Timer> timer_;
  bool peer_ended_ = false;
  const bool handed_on_;
  /** Inside a filter's callback; a continueFilterChain() from there counts as its answer. */
  bool calling_ = false;
  bool continued_ = false;
  bool refused_ = false;
  /** The current filter reads and has not had enough. */
  bool reading_ = false;
  bool finished_ = false;
};

}  // namespace sluice::listener
