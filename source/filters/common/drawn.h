#pragma once

#include "source/runtime/snapshot.h"

namespace sluice::filters {

/** Whether a thing that happens now is in the share: draws a random number unless all or none are. */
bool drawn(const runtime::Fraction& share);

}  // namespace sluice::filters
