#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "source/event/dispatcher.h"
#include "source/listener/connection_handler.h"
#include "source/listener/workers.h"

namespace sluice::listener {

/** Run on each worker's own thread: the watch dogs, loop statistics and slots of upper layers hang on them. */
struct WorkerHooks {
  /** Before the loop runs. */
  std::function<void(event::Dispatcher&)> on_start;
  /** After the loop and after the worker's connections have gone: slots' objects are destroyed here. */
  std::function<void(event::Dispatcher&)> on_stop;
};

/**
 * One worker thread: its dispatcher, its connections. Made, started and joined by main; from start() to join() all but
 * dispatcher().post() is the worker's own.
 *
 *   made --start()--> running --exit()--> connections closed, deletions run, on_stop, deletions run --join()--> done
 */
class Worker {
 public:
  Worker(uint32_t index, std::unique_ptr<event::Dispatcher> dispatcher, ConnectionLimit& process_limit,
         AcceptedSocketRouter& router);
  ~Worker();
  Worker(const Worker&) = delete;

  event::Dispatcher& dispatcher() { return *dispatcher_; }
  /** On the worker's thread (or before it starts). */
  ConnectionHandler& handler() { return *handler_; }

  void start(WorkerHooks hooks);
  /** Asks the thread to end; join() waits for it. */
  void exit();
  void join();

 private:
  void threadMain(const WorkerHooks& hooks);

  const std::unique_ptr<event::Dispatcher> dispatcher_;
  std::unique_ptr<ConnectionHandler> handler_;
  std::thread thread_;
};

/**
 * The process's workers. Main thread; owned by the server, which stops it before what the workers' connections use
 * goes.
 */
class WorkerPool final : public Workers, private AcceptedSocketRouter {
 public:
  using DispatcherFactory = std::function<std::unique_ptr<event::Dispatcher>(const std::string& name)>;

  /** Makes `count` workers, named worker_0 and so on, without starting them: what is posted to them waits. */
  WorkerPool(uint32_t count, event::Dispatcher& main, const DispatcherFactory& make_dispatcher,
             ConnectionLimit& process_limit);
  ~WorkerPool() override;

  uint32_t count() const override { return static_cast<uint32_t>(workers_.size()); }
  event::Dispatcher& dispatcher(uint32_t index) { return workers_[index]->dispatcher(); }

  /** `all_running` on main once every worker's loop has begun. Once. */
  void start(const WorkerHooks& hooks, std::function<void()> all_running);
  /** Ends and joins all workers; their connections are closed. Harmless when called again or never started. */
  void stop();

  void apply(std::vector<ListenerAssignment> assignments, Done done) override;
  void stopAccepting(uint64_t listener, Done done) override;
  void drainChains(uint64_t listener, std::vector<uint64_t> chains, Done done) override;
  void drainListener(uint64_t listener, Done done) override;
  void closeChains(uint64_t listener, std::vector<uint64_t> chains) override;
  void closeListener(uint64_t listener) override;

 private:
  uint32_t workerCount() const override { return count(); }
  void handOn(uint32_t worker, HandedSocket socket) override;

  /** Runs `task` on every worker; the completion that each gets counts down to one `done` on main. */
  void onEachWorker(std::function<void(ConnectionHandler&, Done worker_done)> task, Done done);

  event::Dispatcher& main_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sluice::listener
