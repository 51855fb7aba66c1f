#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include <gtest/gtest.h>

#include "source/cluster/cluster_config.h"
#include "source/config/loader.h"

namespace sluice::test {

/** A message written as YAML or JSON. */
template <class Message>
std::shared_ptr<Message> yaml(absl::string_view text) {
  auto message = std::make_shared<Message>();
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(text, *message, {}, nullptr, violations)) << text << "\n" << violations.toString();
  return message;
}

inline std::shared_ptr<cluster::ClusterProto> clusterYaml(absl::string_view text) {
  return yaml<cluster::ClusterProto>(text);
}

inline std::shared_ptr<cluster::Assignment> assignmentYaml(absl::string_view text) {
  return yaml<cluster::Assignment>(text);
}

}  // namespace sluice::test
