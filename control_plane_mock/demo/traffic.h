#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control_plane_mock/demo/sockets.h"

namespace sluice::demo {

/** What the clients saw. Thread-safe. */
class Tally {
 public:
  void answered(const std::string& backend);
  void failed(const std::string& what);
  /** A connection ended that nothing had asked to end. */
  void dropped(const std::string& what);
  /** A connection was drained, as the change that it met says. */
  void drained() { ++drained_; }

  uint64_t answered() const;
  std::map<std::string, uint64_t> byBackend() const;
  uint64_t failures() const { return failed_; }
  uint64_t droppedConnections() const { return dropped_; }
  uint64_t drainedConnections() const { return drained_; }
  /** The first few failures and drops, in words. */
  std::vector<std::string> complaints() const;

 private:
  void complain(const std::string& what);

  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> by_backend_;
  std::vector<std::string> complaints_;
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> drained_{0};
};

/** Clients that open a connection, ask once and close, one after the other, until destroyed. */
class ShortConnections {
 public:
  ShortConnections(uint16_t port, int clients, Tally& tally);
  ~ShortConnections();

 private:
  void ask(int client);

  const uint16_t port_;
  Tally& tally_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

/** Connections that stay open and ask every now and then, until destroyed. */
class HeldConnections {
 public:
  HeldConnections(std::string name, std::string source, uint16_t port, int count, Tally& tally);
  ~HeldConnections();

  /**
   * From now on the connections that are open may be drained: their end is no drop, and they are opened anew. With
   * `reopen` false (their listener goes for good) they stay closed.
   */
  void expectDrain(bool reopen);
  /** Connections of the first opening that are still open. */
  int untouched() const { return untouched_; }
  int open() const { return open_; }

 private:
  void hold(int index);
  bool pause();

  const std::string name_;
  const std::string source_;
  const uint16_t port_;
  Tally& tally_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> may_drain_{false};
  std::atomic<bool> reopen_{true};
  std::atomic<int> untouched_{0};
  std::atomic<int> open_{0};
  std::vector<std::thread> threads_;
};

}  // namespace sluice::demo
