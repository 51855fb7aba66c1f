#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/net/address.h"

namespace sluice::cluster {

/** Which addresses of a name are asked for (Cluster.DnsLookupFamily). */
enum class DnsFamily : uint8_t {
  /** IPv6, and IPv4 where there is none. */
  Auto,
  V4Only,
  V6Only,
  /** IPv4, and IPv6 where there is none. */
  V4Preferred,
  All,
};

enum class DnsStatus : uint8_t {
  /** The name was looked up; it may have no address. */
  Completed,
  /** Neither an answer nor the certainty that there is none. */
  Failed,
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::Failed;
  /** Without ports. */
  std::vector<net::Address> addresses;
  /** The least of the records'; unset for what came from no server (numbers, the hosts file). */
  std::optional<std::chrono::seconds> ttl;
  /** For logs, when it failed. */
  std::string details;
};

/** A query under way. Destroying it cancels it: its callback is not called any more. */
class DnsQuery {
 public:
  virtual ~DnsQuery() = default;
};

/** Looks up names; replaced in tests. Main thread; outlives its queries. */
class DnsResolver {
 public:
  using Callback = std::function<void(DnsAnswer)>;
  virtual ~DnsResolver() = default;
  /** `callback` is called from a later turn, and may destroy the query. */
  virtual std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsFamily family, Callback callback) = 0;
};

}  // namespace sluice::cluster
