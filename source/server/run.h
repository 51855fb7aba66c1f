#pragma once

namespace sluice::server {

/** The whole program: flags, log, bootstrap, server. Returns the exit status; 1 for every mistake of the operator's. */
int run(int argc, const char* const* argv);

}  // namespace sluice::server
