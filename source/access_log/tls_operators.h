#pragma once

#include "source/access_log/operators.h"

namespace sluice::access_log {

/** What TLS connections on either side say of themselves. */
void addTlsOperators(OperatorTable& table);

}  // namespace sluice::access_log
