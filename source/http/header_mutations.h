#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"

#include "source/access_log/format.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/header_map.h"

namespace envoy::config::core::v3 {
class HeaderValueOption;
}

namespace sluice::http {

/**
 * Headers to be removed and added, in this order: request_headers_to_add, response_headers_to_remove and the like. Made on
 * main, then immutable; apply() on any thread.
 */
class HeaderMutations {
 public:
  using Options = google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>;
  using Names = google::protobuf::RepeatedPtrField<std::string>;

  /** `prefix` is "request" or "response": the fields <prefix>_headers_to_add and _to_remove of `parent`. Null if both
   * lists are empty. */
  static std::shared_ptr<const HeaderMutations> create(const Options& add, const Names& remove,
                                                       absl::string_view prefix,
                                                       const access_log::OperatorTable& operators,
                                                       const config::FieldPath& parent, config::Violations& violations);

  HeaderMutations() = default;
  void addRemoval(absl::string_view name, const config::FieldPath& path, config::Violations& violations);
  void addOption(const envoy::config::core::v3::HeaderValueOption& option, const access_log::OperatorTable& operators,
                 const config::FieldPath& path, config::Violations& violations);
  bool empty() const { return steps_.empty(); }

  /** Values are made before anything is changed, so that formats see the headers as they came. */
  void apply(HeaderMap& headers, const access_log::LogContext& context) const;

 private:
  enum class Action : uint8_t { Remove, Append, AddIfAbsent, Overwrite, OverwriteIfPresent };
  struct Step {
    Action action = Action::Append;
    bool keep_empty = false;
    HeaderId id = HeaderId::Other;
    std::string name;
    /** What `format` would always say, where there is none. */
    std::string literal;
    std::unique_ptr<const access_log::Format> format;
  };

  static bool modifiable(absl::string_view lower_name);

  std::vector<Step> steps_;
};

}  // namespace sluice::http
