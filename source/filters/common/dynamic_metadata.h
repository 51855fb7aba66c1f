#pragma once

#include "absl/strings/string_view.h"

#include "source/net/stream_info.h"

namespace google::protobuf {
class Struct;
}

namespace sluice::filters {

/** Merges `values` into the stream's dynamic metadata under a filter's name, as %DYNAMIC_METADATA% shows it. */
void addDynamicMetadata(net::StreamInfo& info, absl::string_view filter, const google::protobuf::Struct& values);
/** One text among a filter's values. */
void addDynamicMetadata(net::StreamInfo& info, absl::string_view filter, absl::string_view key,
                        absl::string_view value);

}  // namespace sluice::filters
