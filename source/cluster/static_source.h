#pragma once

#include <utility>

#include "source/cluster/endpoint_source.h"

namespace sluice::cluster {

/** The endpoints that the cluster itself names. */
class StaticSource final : public EndpointSource {
 public:
  StaticSource(EndpointList endpoints, Callbacks& callbacks)
      : endpoints_(std::move(endpoints)), callbacks_(callbacks) {}

  absl::Status start() override {
    callbacks_.onEndpoints(*this, std::move(endpoints_));
    callbacks_.onWarm(*this);
    return absl::OkStatus();
  }
  std::string waitsFor() const override { return ""; }

 private:
  EndpointList endpoints_;
  Callbacks& callbacks_;
};

}  // namespace sluice::cluster
