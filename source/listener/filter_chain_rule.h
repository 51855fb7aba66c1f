#pragma once

#include "envoy/config/listener/v3/listener_components.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/listener/filter_chain_matcher.h"

namespace sluice::listener {

/** What a chain's filter_chain_match says, once config::validateMessage() has passed it. Main thread. */
FilterChainRule readRule(const envoy::config::listener::v3::FilterChainMatch& match, const config::FieldPath& path,
                         config::Violations& violations);

}  // namespace sluice::listener
