#pragma once

#include <memory>

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/filters/common/rbac/engine.h"
#include "source/runtime/snapshot.h"

namespace envoy::config::rbac::v3 {
class RBAC;
}

namespace sluice::filters::rbac {

/** `for_connections`: what only requests have is refused, since it would never match. */
std::shared_ptr<const Engine> readEngine(const envoy::config::rbac::v3::RBAC& proto, bool for_connections,
                                         const runtime::Snapshot& runtime, const config::FieldPath& path,
                                         config::Violations& violations);

}  // namespace sluice::filters::rbac
