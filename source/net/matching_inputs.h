#pragma once

#include <memory>

#include "google/protobuf/message.h"

#include "source/matcher/tree.h"
#include "source/net/connection_subject.h"

namespace sluice::net {

/**
 * The input of envoy.extensions.matching.common_inputs.network.v3 that a message stands for, to be asked of
 * ConnectionSubjects; null for any other message. Main thread.
 */
std::shared_ptr<const matcher::Input> networkInput(const google::protobuf::Message& message);

}  // namespace sluice::net
