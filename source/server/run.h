#pragma once

#include "source/server/server.h"

namespace sluice::server {

/**
 * The whole program: flags, log, bootstrap, server. Returns the exit status; 1 for every mistake of the operator's.
 * `added` is for programs that have filters of their own.
 */
int run(int argc, const char* const* argv, const AddedFilters& added = nullptr);

}  // namespace sluice::server
