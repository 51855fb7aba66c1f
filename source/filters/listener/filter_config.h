#pragma once

#include "source/config/canonical_key.h"
#include "source/net/filter.h"

namespace sluice::filters {

/** A listener filter's configuration. No connection depends on it once it was made: all are of one structure. */
class ListenerFilterSettings : public net::ListenerFilterConfig {
 public:
  const config::ContentKey& structuralKey() const final { return key_; }

 private:
  const config::ContentKey key_;
};

}  // namespace sluice::filters
