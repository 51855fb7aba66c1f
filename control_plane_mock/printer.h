#pragma once

#include <ctime>
#include <string>

#include "absl/strings/string_view.h"

#include "control_plane_mock/server.h"

namespace sluice::control_plane_mock {

/** "12:03:04.123  <text>" on standard output, each in one piece. Any thread. */
void printLine(absl::string_view text);

/**
 * What an event looks like, for instance
 *   stream 1  ACK      Cluster  version 3
 *   stream 1  NACK     Listener  version 4
 *             Listener "front": filter_chains[0].filters: is required
 */
std::string describe(const Event& event);

}  // namespace sluice::control_plane_mock
