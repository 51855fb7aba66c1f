#include "source/access_log/line_format.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/substitution_format_string.pb.h"

#include "source/config/data_source.h"
#include "source/config/type_registry.h"

namespace sluice::access_log {
namespace {

using envoy::config::core::v3::SubstitutionFormatString;

/** Extensions whose operators are always there. */
bool isKnownFormatter(absl::string_view type) {
  return type == "envoy.extensions.formatter.metadata.v3.Metadata" ||
         type == "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery";
}

}  // namespace

std::optional<LineFormat> LineFormat::create(const SubstitutionFormatString& config, const OperatorTable& table,
                                             const config::FieldPath& path, config::Violations& violations) {
  for (int i = 0; i < config.formatters_size(); ++i) {
    const std::string type = config::extensionTypeName(config.formatters(i).typed_config());
    if (!isKnownFormatter(type)) {
      violations.add(path.field("formatters").index(static_cast<size_t>(i)).field("typed_config"),
                     absl::StrCat("there is no formatter of the type '", type, "'"));
      return std::nullopt;
    }
  }
  std::optional<LineFormat> out;
  switch (config.format_case()) {
    case SubstitutionFormatString::kTextFormat:
      out = fromText(config.text_format(), table, config.omit_empty_values(), path.field("text_format"), violations);
      break;
    case SubstitutionFormatString::kTextFormatSource: {
      const config::FieldPath source = path.field("text_format_source");
      const auto text = config::readDataSource(config.text_format_source(), source, violations);
      if (!text.has_value()) {
        return std::nullopt;
      }
      out = fromText(*text, table, config.omit_empty_values(), source, violations);
      break;
    }
    case SubstitutionFormatString::kJsonFormat:
      out = fromJson(config.json_format(), table, config.omit_empty_values(), path.field("json_format"), violations);
      break;
    default:
      violations.add(path, "must hold a format");
      return std::nullopt;
  }
  if (out.has_value() && !config.content_type().empty()) {
    out->content_type_ = config.content_type();
  }
  return out;
}

std::optional<LineFormat> LineFormat::fromText(absl::string_view text, const OperatorTable& table,
                                               bool omit_empty_values, const config::FieldPath& path,
                                               config::Violations& violations) {
  auto format = Format::parse(text, table, omit_empty_values);
  if (!format.ok()) {
    violations.add(path, std::string(format.status().message()));
    return std::nullopt;
  }
  return LineFormat(*std::move(format));
}

std::optional<LineFormat> LineFormat::fromJson(const google::protobuf::Struct& json, const OperatorTable& table,
                                               bool omit_empty_values, const config::FieldPath& path,
                                               config::Violations& violations) {
  const size_t before = violations.size();
  JsonFormat format = JsonFormat::create(json, table, omit_empty_values, path, violations);
  if (violations.size() != before) {
    return std::nullopt;
  }
  return LineFormat(std::move(format));
}

void LineFormat::append(const LogContext& context, std::string& out) const {
  std::visit([&context, &out](const auto& format) { format.append(context, out); }, format_);
}

}  // namespace sluice::access_log
