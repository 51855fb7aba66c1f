#pragma once

#include "source/matcher/tree.h"
#include "source/net/stream_info.h"

namespace sluice::net {

/** A connection, as matcher trees are asked about it. */
struct ConnectionSubject : matcher::Subject {
  explicit ConnectionSubject(const StreamInfo& info) : info(info) {}
  const StreamInfo& info;
};

}  // namespace sluice::net
