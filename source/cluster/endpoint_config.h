#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envoy/config/endpoint/v3/endpoint.pb.h"

#include "source/cluster/endpoint.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::cluster {

using Assignment = envoy::config::endpoint::v3::ClusterLoadAssignment;

/** One endpoint of an assignment, as plain data. */
struct EndpointSpec {
  /** Of kind None while the name is not resolved. */
  net::Address address;
  /** STRICT_DNS: what is to be resolved, and the port for all addresses of it. */
  std::string dns_name;
  uint16_t dns_port = 0;
  std::string hostname;
  uint32_t weight = 1;
  EdsHealth health = EdsHealth::Unknown;
  uint32_t locality = 0;
  uint32_t priority = 0;
  uint32_t group_index = 0;
  uint32_t endpoint_index = 0;
};

/** An assignment taken apart, or what DNS made of it. */
struct EndpointList {
  std::vector<EndpointSpec> endpoints;
  std::vector<Locality> localities;
  /** Of the localities that are given one; each locality of a priority once. */
  std::vector<LocalityWeight> locality_weights;
  uint32_t overprovisioning_percent = 140;
  bool weighted_priority_health = false;
  /** Where it came from; lives as long as the list. */
  std::shared_ptr<const Assignment> assignment;
};

struct AssignmentRules {
  /** Addresses may be names (STRICT_DNS); literal ones then still are what they are. */
  bool names = false;
  /** Of several endpoints with one address only the first counts (EDS). */
  bool unique = false;
};

/**
 * Takes an assignment apart that has passed config::validateMessage(). Mistakes go to `violations`; the list is then not
 * to be used. Pure; any thread.
 */
EndpointList readAssignment(std::shared_ptr<const Assignment> assignment, const AssignmentRules& rules,
                            const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::cluster
