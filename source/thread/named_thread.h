#pragma once

#include <functional>
#include <string>
#include <thread>

namespace sluice::thread {

/**
 * Starts a thread under a name that `ps -L` and debuggers show (at most 15 characters; the rest is cut off). All signals
 * but those of a fault are blocked in it, as main alone takes them; it has a stack to crash on. The caller joins it.
 */
std::thread startThread(const std::string& name, std::function<void()> body);

}  // namespace sluice::thread
