#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "google/protobuf/message.h"

#include "source/base/clock.h"

namespace sluice::http {

/** What the admin pages show of one route configuration: RoutesConfigDump. */
struct RouteConfigView {
  std::string name;
  /** Over RDS, not inline in a listener. */
  bool dynamic = false;
  std::string version;
  /** The envoy.config.route.v3.RouteConfiguration, serialised; null while none came. */
  std::shared_ptr<const std::string> bytes;
  base::SystemTime last_updated;

  /** Why the last one was not taken: envoy.admin.v3.UpdateFailureState. */
  struct Failure {
    std::shared_ptr<const google::protobuf::Message> message;
    base::SystemTime last_attempt;
    std::string details;
    std::string version;
  };
  std::optional<Failure> failure;
};

/** False ends the visit. `key` tells a later visit where to go on. */
using RouteViewVisitor = absl::FunctionRef<bool(const std::string& key, const RouteConfigView& view)>;

}  // namespace sluice::http
