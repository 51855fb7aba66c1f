#pragma once

#include <memory>
#include <vector>

#include "source/base/random.h"
#include "source/cluster/cluster_config.h"
#include "source/cluster/dns.h"
#include "source/cluster/endpoint_source.h"
#include "source/event/dispatcher.h"

namespace sluice::cluster {

/**
 * The endpoints that names stand for: each name is looked up again and again, and all its addresses are endpoints. A
 * failure keeps what the name stood for before; an answer without addresses removes it. Warm once each name has had its
 * first outcome.
 */
class StrictDnsSource final : public EndpointSource {
 public:
  StrictDnsSource(std::string cluster_name, EndpointList names, const DnsSettings& settings, event::Dispatcher& main,
                  DnsResolver& resolver, base::Random& random, Callbacks& callbacks);
  ~StrictDnsSource() override;

  absl::Status start() override;
  std::string waitsFor() const override;

 private:
  struct Target;

  void resolve(Target& target);
  void onAnswer(Target& target, DnsAnswer answer);
  std::chrono::milliseconds nextAfter(Target& target, const DnsAnswer& answer);
  void publish();

  const std::string cluster_name_;
  const EndpointList names_;
  const DnsSettings settings_;
  event::Dispatcher& main_;
  DnsResolver& resolver_;
  base::Random& random_;
  Callbacks& callbacks_;
  std::vector<std::unique_ptr<Target>> targets_;
  size_t unresolved_ = 0;
};

}  // namespace sluice::cluster
