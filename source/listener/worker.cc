#include "source/listener/worker.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/assert.h"
#include "source/thread/named_thread.h"

namespace sluice::listener {
namespace {

/** Counts the workers that have done something; touched on main only. */
struct Countdown {
  uint32_t left;
  Workers::Done done;
};

}  // namespace

Worker::Worker(uint32_t index, std::unique_ptr<event::Dispatcher> dispatcher, ConnectionLimit& process_limit,
               AcceptedSocketRouter& router)
    : dispatcher_(std::move(dispatcher)),
      handler_(std::make_unique<ConnectionHandler>(*dispatcher_, index, process_limit, router)) {}

Worker::~Worker() { SLUICE_CHECK(!thread_.joinable(), "a worker is destroyed before it was joined"); }

void Worker::start(WorkerHooks hooks) {
  thread_ = thread::startThread(dispatcher_->name(), [this, hooks = std::move(hooks)] { threadMain(hooks); });
}

void Worker::exit() { dispatcher_->exit(); }

void Worker::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Worker::threadMain(const WorkerHooks& hooks) {
  if (hooks.on_start) {
    hooks.on_start(*dispatcher_);
  }
  dispatcher_->run(event::Dispatcher::RunType::UntilExit);
  handler_->shutdown();
  dispatcher_->clearDeferredDeletes();
  // With the connections gone: listeners' last words may still count, and slots' objects may delete in their turn.
  handler_.reset();
  if (hooks.on_stop) {
    hooks.on_stop(*dispatcher_);
  }
  dispatcher_->clearDeferredDeletes();
}

WorkerPool::WorkerPool(uint32_t count, event::Dispatcher& main, const DispatcherFactory& make_dispatcher,
                       ConnectionLimit& process_limit)
    : main_(main) {
  AcceptedSocketRouter& router = *this;
  for (uint32_t i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, make_dispatcher(absl::StrCat("worker_", i)), process_limit, router));
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::start(const WorkerHooks& hooks, std::function<void()> all_running) {
  for (auto& worker : workers_) {
    worker->start(hooks);
  }
  onEachWorker([](ConnectionHandler&, Done worker_done) { worker_done(); }, std::move(all_running));
}

void WorkerPool::stop() {
  for (auto& worker : workers_) {
    worker->exit();
  }
  for (auto& worker : workers_) {
    worker->join();
  }
}

void WorkerPool::onEachWorker(std::function<void(ConnectionHandler&, Done)> task, Done done) {
  auto countdown = std::make_shared<Countdown>(Countdown{count(), std::move(done)});
  auto shared_task = std::make_shared<const std::function<void(ConnectionHandler&, Done)>>(std::move(task));
  // The first worker last: it is the one that hands accepted sockets on, and by then the others know the listener.
  for (uint32_t i = count(); i-- > 0;) {
    Worker& worker = *workers_[i];
    worker.dispatcher().post([&worker, &main = main_, countdown, shared_task] {
      (*shared_task)(worker.handler(), [&main, countdown] {
        main.post([countdown] {
          if (--countdown->left == 0 && countdown->done) {
            // Taken out here, so that what it captured goes on main, whoever drops the countdown last.
            Done last = std::exchange(countdown->done, nullptr);
            last();
          }
        });
      });
    });
  }
}

void WorkerPool::apply(std::vector<ListenerAssignment> assignments, Done done) {
  SLUICE_CHECK(assignments.size() == workers_.size(), "one assignment for each worker");
  // Each worker's own sockets move to it; only the outer vector is shared, each element touched by one worker.
  auto shared = std::make_shared<std::vector<ListenerAssignment>>(std::move(assignments));
  onEachWorker(
      [shared](ConnectionHandler& handler, Done worker_done) {
        handler.apply(std::move((*shared)[handler.workerIndex()]));
        worker_done();
      },
      std::move(done));
}

void WorkerPool::stopAccepting(uint64_t listener, Done done) {
  onEachWorker(
      [listener](ConnectionHandler& handler, Done worker_done) {
        handler.stopAccepting(listener);
        worker_done();
      },
      std::move(done));
}

void WorkerPool::drainChains(uint64_t listener, std::vector<uint64_t> chains, Done done) {
  onEachWorker(
      [listener, chains = std::move(chains)](ConnectionHandler& handler, Done worker_done) {
        handler.drainChains(listener, chains, std::move(worker_done));
      },
      std::move(done));
}

void WorkerPool::drainListener(uint64_t listener, Done done) {
  onEachWorker([listener](ConnectionHandler& handler,
                          Done worker_done) { handler.drainListener(listener, std::move(worker_done)); },
               std::move(done));
}

void WorkerPool::closeChains(uint64_t listener, std::vector<uint64_t> chains) {
  onEachWorker(
      [listener, chains = std::move(chains)](ConnectionHandler& handler, Done worker_done) {
        handler.closeChains(listener, chains);
        worker_done();
      },
      nullptr);
}

void WorkerPool::closeListener(uint64_t listener) {
  onEachWorker(
      [listener](ConnectionHandler& handler, Done worker_done) {
        handler.closeListener(listener);
        worker_done();
      },
      nullptr);
}

void WorkerPool::handOn(uint32_t worker, HandedSocket socket) {
  Worker& to = *workers_[worker];
  to.dispatcher().post([&to, socket = std::move(socket)]() mutable { to.handler().takeOver(std::move(socket)); });
}

}  // namespace sluice::listener
