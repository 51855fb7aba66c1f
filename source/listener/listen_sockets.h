#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "source/listener/listener_spec.h"
#include "source/net/socket.h"

namespace sluice::listener {

/**
 * The listening sockets of one of a listener's addresses: with reuse_port one for each worker, else one that all share,
 * or, of a Unix address, one that the first worker has for all. Bound by main before the verdict on the resource, given
 * to the workers when the listener starts; from then on they are the workers', and this says what they are. Shared by
 * the versions of a listener that keep them. Main thread.
 *
 *   bound --listen()--> listening --takeFor(each worker)--> with the workers
 */
class ListenSockets {
 public:
  /** Binds them. FailedPrecondition where the address is in use. `open` false makes only the description. */
  static absl::StatusOr<std::shared_ptr<ListenSockets>> bind(const net::ListenSocketOptions& options, uint32_t workers,
                                                             bool open);

  /** Never used again. */
  uint64_t id() const { return id_; }
  const net::ListenSocketOptions& options() const { return options_; }
  /** With the port that the system chose for port 0. */
  const net::Address& address() const { return address_; }

  absl::Status listen(int backlog);
  bool withWorkers() const { return with_workers_; }
  /** Appends the worker's socket, if it has one. */
  void takeFor(uint32_t worker, std::vector<WorkerSocket>& sockets);
  void setWithWorkers() { with_workers_ = true; }

 private:
  ListenSockets(const net::ListenSocketOptions& options);

  const uint64_t id_;
  const net::ListenSocketOptions options_;
  net::Address address_;
  /** By worker; those that are missing have none. */
  std::vector<net::Socket> sockets_;
  bool with_workers_ = false;
};

}  // namespace sluice::listener
