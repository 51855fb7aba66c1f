#pragma once

#include <memory>

#include "source/admin/body.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/request.h"
#include "source/admin/views.h"

namespace sluice::admin {

/**
 * /init_dump: what the server, clusters and listeners wait for and since when, as envoy.admin.v3.UnreadyTargetsDumps.
 * `mask` takes "server", "cluster" and "listener"; all without it.
 */
std::unique_ptr<Body> makeInitDumpBody(const Request& request, MainCaller& main, const MainViews& views,
                                       JsonPrinter& printer, const base::Clock& clock);

}  // namespace sluice::admin
