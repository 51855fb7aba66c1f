#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "ares.h"

#include "source/cluster/dns.h"
#include "source/event/dispatcher.h"

namespace sluice::cluster {

/**
 * Looks names up with c-ares: numbers, /etc/hosts, then the servers of /etc/resolv.conf, on main's loop. Main thread;
 * outlives its queries.
 */
class CaresResolver final : public DnsResolver {
 public:
  /** `servers` ("127.0.0.1:5353,...") instead of /etc/resolv.conf's; empty for those. */
  explicit CaresResolver(event::Dispatcher& main, std::string servers = "");
  ~CaresResolver() override;

  std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsFamily family, Callback callback) override;

 private:
  class Query;
  struct Lookup;
  struct Watched;

  static void onAddressInfo(void* argument, int status, int timeouts, ares_addrinfo* result);
  static void onSocketState(void* argument, ares_socket_t fd, int readable, int writable);

  /** Made when first needed, and anew after a failure to reach any server: the system's settings may have changed. */
  absl::Status ensureChannel();
  void closeChannel();
  void ask(Lookup& lookup, int family);
  void onResult(Lookup& lookup, int status, ares_addrinfo* result);
  void process(ares_socket_t readable, ares_socket_t writable);
  void armTimer();

  event::Dispatcher& main_;
  const std::string servers_;
  ares_channel channel_ = nullptr;
  bool renew_channel_ = false;
  size_t asked_ = 0;
  absl::flat_hash_map<ares_socket_t, std::unique_ptr<Watched>> watched_;
  std::unique_ptr<event::Timer> timer_;
};

}  // namespace sluice::cluster
