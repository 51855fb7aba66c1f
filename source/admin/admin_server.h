#pragma once

#include <memory>

#include "absl/status/statusor.h"

#include "source/admin/http_server.h"
#include "source/admin/views.h"
#include "source/base/clock.h"
#include "source/event/dispatcher.h"
#include "source/net/address.h"
#include "source/stats/store.h"
#include "source/thread/guard_dog.h"

namespace sluice::admin {

/** What the admin server is made with. All references outlive it. */
struct AdminOptions {
  event::Dispatcher& main;
  const base::Clock& clock;
  stats::Store& store;
  /** Null: the admin thread is not watched. */
  thread::GuardDog* guard_dog = nullptr;
  ServerFacts facts;
  MainViews views;
  Actions actions;
  HttpLimits limits;
};

/**
 * The admin pages, on a thread and an event loop of their own. What only main knows, main builds in slices, one for each
 * request of the admin thread; long answers go out as the client takes them. Made, used and destroyed on main, by the
 * server, before what its views and actions look at; neither of these may destroy it.
 */
class AdminServer {
 public:
  /** Binds bootstrap.admin.address, which must be there (IP or pipe); answers from start() on. */
  static absl::StatusOr<std::unique_ptr<AdminServer>> create(AdminOptions options);
  /** Stops accepting, gives answers under way a moment to go out, and joins the thread. */
  ~AdminServer();

  /** Once. Callers of views and actions wait for main's loop. */
  void start();

  /** With the port that was bound: --admin-address-path. */
  const net::Address& localAddress() const;

 private:
  class Thread;
  explicit AdminServer(std::unique_ptr<Thread> thread);

  std::unique_ptr<Thread> thread_;
};

}  // namespace sluice::admin
