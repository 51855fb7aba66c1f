#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/access_log/format.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/filters/common/config_tools.h"
#include "source/net/filter_state.h"

namespace google::protobuf {
template <typename Element>
class RepeatedPtrField;
}
namespace envoy::extensions::filters::common::set_filter_state::v3 {
class FilterStateValue;
}

namespace sluice::filters {

/** What the two set_filter_state filters put into the filter state. Immutable; any thread. */
class FilterStateValues {
 public:
  using Protos =
      google::protobuf::RepeatedPtrField<envoy::extensions::filters::common::set_filter_state::v3::FilterStateValue>;
  static FilterStateValues read(const Protos& protos, const ConfigTools& tools, const config::FieldPath& path,
                                config::Violations& violations);

  void apply(const access_log::LogContext& context, net::FilterState& state) const;

 private:
  struct Value {
    std::string key;
    std::shared_ptr<const access_log::Format> format;
    bool read_only = false;
    bool skip_if_empty = false;
  };
  std::vector<Value> values_;
};

}  // namespace sluice::filters
