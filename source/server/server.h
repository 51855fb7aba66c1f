#pragma once

#include <functional>
#include <memory>
#include <string>

#include "source/server/bootstrap.h"
#include "source/server/options.h"
#include "source/server/process_stats.h"

namespace sluice::event {
class Dispatcher;
}
namespace sluice::listener {
struct FilterFactories;
}

namespace sluice::server {

/** Adds filters to those that listeners may name, before the first listener is read. Called once, on main. */
using AddedFilters = std::function<void(event::Dispatcher& main, listener::FilterFactories& filters)>;

/**
 * The composition root: makes every part, in the order of their needs, and ends them in reverse. Main thread.
 *
 *   create() --> PreInitializing --clusters warm--> Initializing --listeners with the workers--> Live <--> Draining
 *
 * A server that create() refused has started nothing: no thread, no listening socket.
 */
class Server {
 public:
  /**
   * Checks the bootstrap with everything that it names and, but in validate mode, binds the static listeners and the
   * admin address. Null when something was added to `violations`.
   */
  static std::unique_ptr<Server> create(Options options, Bootstrap bootstrap, const AddedFilters& added,
                                        config::Violations& violations);
  ~Server();
  Server(const Server&) = delete;

  /** Runs until SIGTERM, SIGINT or /quitquitquit; in init-only mode until all is initialised. The exit status. */
  int run();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::server
