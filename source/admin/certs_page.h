#pragma once

#include <memory>

#include "source/admin/body.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/views.h"
#include "source/base/clock.h"

namespace sluice::admin {

/**
 * /certs: envoy.admin.v3.Certificates. One element for each certificate, with its chain, and for each validation context,
 * with its authorities, that is in use; Envoy's has one for each TLS context.
 */
std::unique_ptr<Body> makeCertsBody(MainCaller& main, const MainViews& views, JsonPrinter& printer,
                                    const base::Clock& clock);

}  // namespace sluice::admin
