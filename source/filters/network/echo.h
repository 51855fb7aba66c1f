#pragma once

#include "source/net/filter.h"

namespace sluice::filters {

/** envoy.filters.network.echo: sends back whatever it gets, and the end after it. It has no settings. */
class EchoConfig : public net::NetworkFilterConfig {
 public:
  EchoConfig();
  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return true; }

 private:
  const config::ContentKey structural_key_;
};

}  // namespace sluice::filters
