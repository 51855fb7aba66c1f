#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"
#include "source/runtime/snapshot.h"

namespace sluice::filters {

/** envoy.filters.http.rbac: lets requests pass, or answers 403, by who sends them and what they ask for. */
std::unique_ptr<HttpFilterFactory> httpRbacFactory(event::Dispatcher& main, const runtime::Snapshot& runtime);

}  // namespace sluice::filters
