#pragma once

#include <string>

#include "source/net/filter.h"

namespace sluice::filters {

/** envoy.filters.network.direct_response: says a text to each new connection and closes it. */
class DirectResponseConfig : public net::NetworkFilterConfig {
 public:
  explicit DirectResponseConfig(std::string response);
  /** The text is no part of it: a connection that has been answered is on its way out anyhow. */
  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return true; }

  const std::string& response() const { return response_; }

 private:
  const std::string response_;
  const config::ContentKey structural_key_;
};

}  // namespace sluice::filters
