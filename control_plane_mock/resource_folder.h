#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/any.pb.h"

namespace sluice::control_plane_mock {

/**
 * The resources in a folder's .yaml, .yml and .json files. A file holds a `resources:` list, as a DiscoveryResponse does,
 * or one resource with its "@type". Only their shape is checked, so that a resource that a proxy must refuse can be
 * served. What a file last said while it could be read stays until it can be read again, or has gone. One thread.
 */
class ResourceFolder {
 public:
  explicit ResourceFolder(std::string path) : path_(std::move(path)) {}

  struct Loaded {
    /** Types whose resources are others than before. */
    std::vector<std::string> changed_types;
    /** "cds.yaml: line 3: …", one for each mistake. */
    std::vector<std::string> errors;
  };
  /** Reads all files anew. */
  Loaded load();

  /** By type URL, in order of the files' names. Types that had resources and have none any more stay, empty. */
  const std::map<std::string, std::vector<google::protobuf::Any>>& resources() const { return resources_; }

  /** False for the names that editors give to files that they are still writing. */
  static bool isResourceFile(absl::string_view name);

 private:
  const std::string path_;
  std::map<std::string, std::vector<google::protobuf::Any>> files_;
  std::map<std::string, std::vector<google::protobuf::Any>> resources_;
};

}  // namespace sluice::control_plane_mock
