#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/field_mask.pb.h"
#include "re2/re2.h"

#include "source/admin/request.h"

namespace sluice::admin {

/** One list of a dump: what main is asked for. */
enum class DumpList {
  StaticClusters,
  ActiveClusters,
  WarmingClusters,
  StaticEndpoints,
  DynamicEndpoints,
  StaticListeners,
  DynamicListeners,
  StaticRoutes,
  DynamicRoutes,
  StaticSecrets,
  ActiveSecrets,
  WarmingSecrets,
  /** A list of the API that Sluice has nothing for. */
  Empty,
};

/** One message of the page's list: a dump of the configuration, and what of it is asked for. */
struct DumpPart {
  const google::protobuf::Descriptor* type = nullptr;
  bool version = false;
  struct List {
    DumpList list = DumpList::Empty;
    std::string field;
  };
  std::vector<List> lists;
};

/** What a request for /config_dump asks for. */
struct DumpPlan {
  /** With `resource`: one part with one list, whose elements make the page themselves. */
  bool single_resource = false;
  std::vector<DumpPart> parts;

  /** Of what single_resource gives, or of the bootstrap; null if there is none. */
  std::shared_ptr<const google::protobuf::FieldMask> mask;
  /** Matches whole names; null takes all. */
  std::shared_ptr<const re2::RE2> names;
};

absl::StatusOr<DumpPlan> planDump(const Request& request);

/**
 * Leaves of `element` what the mask names. A path through one of its Any fields goes on inside ("cluster.name"). False if
 * a path does not exist.
 */
bool trimElement(const google::protobuf::FieldMask& mask, google::protobuf::Message& element);

/** As Envoy says it. */
std::string describeBadMask(const google::protobuf::FieldMask& mask);

}  // namespace sluice::admin
