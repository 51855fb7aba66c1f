#include "source/filters/common/dynamic_metadata.h"

#include <memory>
#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::filters {
namespace {

google::protobuf::Struct& valuesOf(net::StreamInfo& info, absl::string_view filter) {
  net::StreamExtras& extras = info.makeExtras();
  if (extras.metadata == nullptr) {
    extras.metadata = std::make_unique<envoy::config::core::v3::Metadata>();
  }
  return (*extras.metadata->mutable_filter_metadata())[std::string(filter)];
}

}  // namespace

void addDynamicMetadata(net::StreamInfo& info, absl::string_view filter, const google::protobuf::Struct& values) {
  google::protobuf::Struct& into = valuesOf(info, filter);
  for (const auto& [key, value] : values.fields()) {
    (*into.mutable_fields())[key] = value;
  }
}

void addDynamicMetadata(net::StreamInfo& info, absl::string_view filter, absl::string_view key,
                        absl::string_view value) {
  (*valuesOf(info, filter).mutable_fields())[std::string(key)].set_string_value(std::string(value));
}

}  // namespace sluice::filters
