#pragma once

#include <string>
#include <vector>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"

#include "source/config/source_map.h"
#include "source/config/violations.h"
#include "source/server/options.h"

namespace sluice::server {

/** A bootstrap with what is needed to talk about it. A plain value. */
struct Bootstrap {
  envoy::config::bootstrap::v3::Bootstrap proto;
  /** Lines of the file's fields; what only --config-yaml holds has none. */
  config::SourceMap locations;
  /** How errors call it: the file's name, or "--config-yaml". */
  std::string subject;
  /** Fields that are set and ignored, which the support table says is harmless. */
  std::vector<std::string> ignored;
  /** Fields that were left out because of --allow-unknown-static-fields. */
  std::vector<std::string> unknown;
};

/**
 * Reads the file of --config-path, merges --config-yaml over it, fills the node from the command line and checks the
 * whole: shape, the API's own rules, the support table. Every mistake is added to `violations`, with its line where it
 * has one; what could be read is in the result all the same, so that later checks can add theirs.
 */
Bootstrap loadBootstrap(const Options& options, config::Violations& violations);

/** The mistakes as the operator sees them: the subject, then one indented line each. */
std::string describeMistakes(const std::string& subject, const config::SourceMap& locations,
                             config::Violations violations);

}  // namespace sluice::server
