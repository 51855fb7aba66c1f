#pragma once

#include <memory>
#include <string>

#include "source/admin/json_printer.h"
#include "source/admin/views.h"
#include "source/base/clock.h"
#include "source/runtime/snapshot.h"

// The short pages: each a text, made at once. Admin thread.

namespace sluice::admin {

/** /server_info: envoy.admin.v3.ServerInfo. */
std::string serverInfoPage(const ServerFacts& facts, const base::Clock& clock, JsonPrinter& printer);

/** /memory: envoy.admin.v3.Memory, from the allocator. */
std::string memoryPage(JsonPrinter& printer);

/** /runtime: the layers, and each key's value in each of them. */
std::string runtimePage(const runtime::Snapshot& snapshot);

/** "3d 4h", "5m 12s". */
std::string describeUptime(base::MonotonicTime::duration uptime);

}  // namespace sluice::admin
