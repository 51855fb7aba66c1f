#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace sluice::xds {

/** By what a resource is known on the wire: its `name`, of a ClusterLoadAssignment its `cluster_name`; empty if unset. */
std::string resourceName(const google::protobuf::Message& resource);

/**
 * Gives a listener without a name that of its wrapper, or one that is made of its address ("unnamed:127.0.0.1:80"), so that the next push of the
 * same listener updates it. Envoy makes up a new name each time, which closes and opens the listener at each push. Other
 * types are left alone: without a name nobody could refer to them.
 */
void nameIfUnnamedListener(google::protobuf::Message& resource, const std::string& outer_name = "");

/** "Listener" of "type.googleapis.com/envoy.config.listener.v3.Listener". */
absl::string_view shortTypeName(absl::string_view type_url);

}  // namespace sluice::xds
