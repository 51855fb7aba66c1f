#pragma once

#include "absl/strings/string_view.h"

namespace sluice::api {

// The complete xDS API as a serialized google.protobuf.FileDescriptorSet, imports before importers, the well-known types
// included. It lies in the program's read-only pages for as long as the program runs; any thread may read it.
absl::string_view descriptorSet();

}  // namespace sluice::api
