#pragma once

#include <memory>

#include "source/admin/body.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/views.h"

namespace sluice::admin {

/** /listeners: the active listeners and their addresses, as lines or as envoy.admin.v3.Listeners. */
std::unique_ptr<Body> makeListenersBody(MainCaller& main, const MainViews& views, JsonPrinter& printer, bool json);

}  // namespace sluice::admin
