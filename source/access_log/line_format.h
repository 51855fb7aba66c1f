#pragma once

#include <optional>
#include <string>
#include <variant>

#include "source/access_log/format.h"
#include "source/access_log/json_format.h"
#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace envoy::config::core::v3 {
class SubstitutionFormatString;
}
namespace google::protobuf {
class Struct;
}

namespace sluice::access_log {

/** A format as configuration gives it, text or JSON: of access logs and of local replies' bodies. Immutable; any thread. */
class LineFormat {
 public:
  /** Null, with what is wrong in `violations`. On main: it may read a file. */
  static std::optional<LineFormat> create(const envoy::config::core::v3::SubstitutionFormatString& config,
                                          const OperatorTable& table, const config::FieldPath& path,
                                          config::Violations& violations);
  static std::optional<LineFormat> fromText(absl::string_view text, const OperatorTable& table, bool omit_empty_values,
                                            const config::FieldPath& path, config::Violations& violations);
  static std::optional<LineFormat> fromJson(const google::protobuf::Struct& json, const OperatorTable& table,
                                            bool omit_empty_values, const config::FieldPath& path,
                                            config::Violations& violations);

  /** Allocates nothing beyond what `out` grows by. A JSON line ends with its end of line. */
  void append(const LogContext& context, std::string& out) const;

  /** Of a body made with this: what configuration says, else text/plain or application/json. */
  const std::string& contentType() const { return content_type_; }

 private:
  explicit LineFormat(Format format) : format_(std::move(format)), content_type_("text/plain") {}
  explicit LineFormat(JsonFormat format) : format_(std::move(format)), content_type_("application/json") {}

  std::variant<Format, JsonFormat> format_;
  std::string content_type_;
};

}  // namespace sluice::access_log
