#pragma once

#include <string>

#include "source/config/support.h"

namespace sluice::config {

/// The text of docs/xds_support.md.
std::string supportPage(const SupportTable& table);

}  // namespace sluice::config
