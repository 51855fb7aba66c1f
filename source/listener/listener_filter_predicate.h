#pragma once

#include <cstdint>
#include <vector>

#include "source/net/stream_info.h"

namespace sluice::listener {

/** Which connections a listener filter passes over (filter_disabled). Plain, immutable; any thread. */
struct ListenerFilterPredicate {
  enum class Kind : uint8_t { Any, Or, And, Not, DestinationPort };

  Kind kind = Kind::Any;
  /** Of Or and And, and the one of Not. */
  std::vector<ListenerFilterPredicate> inner;
  /** From `first_port` up to but not `end_port`. */
  uint32_t first_port = 0;
  uint32_t end_port = 0;

  /** Of a connection as the filters before left it: original_dst may have restored its destination. */
  bool matches(const net::StreamInfo& info) const {
    switch (kind) {
      case Kind::Any:
        return true;
      case Kind::Not:
        return !inner.front().matches(info);
      case Kind::DestinationPort: {
        const net::Address& destination = info.downstream_local;
        return destination.isIp() && destination.port() >= first_port && destination.port() < end_port;
      }
      case Kind::Or:
      case Kind::And:
        break;
    }
    for (const ListenerFilterPredicate& predicate : inner) {
      if (predicate.matches(info) == (kind == Kind::Or)) {
        return kind == Kind::Or;
      }
    }
    return kind == Kind::And;
  }
};

}  // namespace sluice::listener
