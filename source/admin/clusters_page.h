#pragma once

#include <memory>

#include "re2/re2.h"

#include "source/admin/body.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/views.h"

namespace sluice::admin {

/**
 * /clusters: the clusters that serve, with their endpoints, as lines or as envoy.admin.v3.Clusters. `filter` matches
 * whole names; null shows all.
 */
std::unique_ptr<Body> makeClustersBody(MainCaller& main, const MainViews& views, JsonPrinter& printer, bool json,
                                       std::shared_ptr<const re2::RE2> filter);

}  // namespace sluice::admin
