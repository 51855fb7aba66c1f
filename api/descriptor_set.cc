#include "api/descriptor_set.h"

extern "C" {
extern const char sluice_xds_api_begin[];
extern const char sluice_xds_api_end[];
}

namespace sluice::api {

absl::string_view descriptorSet() {
  return {sluice_xds_api_begin, static_cast<size_t>(sluice_xds_api_end - sluice_xds_api_begin)};
}

}  // namespace sluice::api
