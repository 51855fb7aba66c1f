#include "source/filters/common/drawn.h"

#include "source/base/random.h"

namespace sluice::filters {

bool drawn(const runtime::Fraction& share) {
  if (share.numerator == 0) {
    return false;
  }
  return share.numerator >= share.denominator || share.contains(base::threadRandom().next());
}

}  // namespace sluice::filters
