#pragma once

#include <memory>

#include "absl/status/statusor.h"

#include "source/admin/body.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/request.h"
#include "source/admin/views.h"

namespace sluice::admin {

/**
 * /config_dump: envoy.admin.v3.ConfigDump, element by element. Parameters: `resource`, `mask`, `name_regex`,
 * `include_eds`. NotFound for a resource that no dump has, InvalidArgument for other mistakes; the message is the page.
 */
absl::StatusOr<std::unique_ptr<Body>> makeConfigDumpBody(const Request& request, MainCaller& main,
                                                         const MainViews& views, const ServerFacts& facts,
                                                         JsonPrinter& printer);

}  // namespace sluice::admin
