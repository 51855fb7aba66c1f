#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "source/listener/workers.h"

namespace sluice::test {

/**
 * Workers without threads: keeps what each was given, and carries orders out (calls their `done`) when the test says
 * so. Chains and listeners drain when the test says so, too.
 */
class FakeWorkers : public listener::Workers {
 public:
  explicit FakeWorkers(uint32_t count = 2) : count_(count) {}

  struct Given {
    std::shared_ptr<const listener::ListenerSpec> spec;
    /** The first worker's sockets, by their set. */
    std::map<uint64_t, net::Socket> sockets;
    uint32_t applied = 0;
    bool accepts = true;
  };

  uint32_t count() const override { return count_; }
  void apply(std::vector<listener::ListenerAssignment> assignments, Done done) override {
    const uint64_t id = assignments[0].listener;
    Given& given = listeners[id];
    given.spec = assignments[0].spec;
    ++given.applied;
    std::map<uint64_t, net::Socket> kept;
    for (uint64_t set : assignments[0].kept_sets) {
      kept.emplace(set, std::move(given.sockets.at(set)));
    }
    for (listener::WorkerSocket& socket : assignments[0].new_sockets) {
      kept.emplace(socket.set, std::move(socket.socket));
    }
    given.sockets = std::move(kept);
    todo_.push_back(std::move(done));
  }
  void stopAccepting(uint64_t listener, Done done) override {
    listeners[listener].accepts = false;
    todo_.push_back([this, listener, done = std::move(done)] {
      listeners[listener].sockets.clear();
      done();
    });
  }
  void drainChains(uint64_t listener, std::vector<uint64_t> chains, Done done) override {
    draining_chains.push_back({listener, std::move(chains), std::move(done)});
  }
  void drainListener(uint64_t listener, Done done) override { draining_listeners[listener] = std::move(done); }
  void closeChains(uint64_t listener, std::vector<uint64_t> chains) override {
    closed_chains.emplace_back(listener, std::move(chains));
  }
  void closeListener(uint64_t listener) override { closed_listeners.push_back(listener); }

  /** Carries out what was ordered so far. */
  void work() {
    while (!todo_.empty()) {
      Done done = std::move(todo_.front());
      todo_.pop_front();
      if (done) {
        done();
      }
    }
  }
  Given& byName(const std::string& name) {
    for (auto& [id, given] : listeners) {
      if (given.accepts && given.spec != nullptr && *given.spec->name == name) {
        return given;
      }
    }
    static Given none;
    return none;
  }

  struct DrainingChains {
    uint64_t listener;
    std::vector<uint64_t> chains;
    Done done;
  };
  std::map<uint64_t, Given> listeners;
  std::vector<DrainingChains> draining_chains;
  std::map<uint64_t, Done> draining_listeners;
  std::vector<std::pair<uint64_t, std::vector<uint64_t>>> closed_chains;
  std::vector<uint64_t> closed_listeners;

 private:
  const uint32_t count_;
  std::deque<Done> todo_;
};

}  // namespace sluice::test
