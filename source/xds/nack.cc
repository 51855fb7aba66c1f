#include "source/xds/nack.h"

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

#include "source/config/field_path.h"
#include "source/xds/resource_name.h"

namespace sluice::xds {
namespace {

/** As Envoy's NACKs; grpc::StatusCode::INTERNAL. */
constexpr int kInternal = 13;

std::string subject(absl::string_view type_url, const ResourceError& error) {
  return error.name.empty() ? std::string(shortTypeName(type_url))
                            : absl::StrCat(shortTypeName(type_url), " \"", error.name, "\"");
}

std::string line(const std::string& subject, const config::Violation& violation) {
  return absl::StrCat(subject, violation.line > 0 ? absl::StrCat(" (line ", violation.line, ")") : "", ": ",
                      violation.path, violation.path.empty() ? "" : ": ", violation.reason);
}

google::rpc::BadRequest badFields(absl::Span<const ResourceError> errors) {
  google::rpc::BadRequest fields;
  size_t bytes = 0;
  for (const ResourceError& error : errors) {
    for (const config::Violation& violation : error.violations.list()) {
      bytes += error.name.size() + violation.path.size() + violation.reason.size();
      if (fields.field_violations_size() == kMaxNackFields || bytes > kMaxNackBytes) {
        return fields;
      }
      auto* added = fields.add_field_violations();
      config::FieldPath path(absl::string_view("resources"));
      if (error.name.empty()) {
        added->set_field(violation.path);
      } else {
        path = path.key(error.name);
        added->set_field(violation.path.empty() ? path.toString() : absl::StrCat(path.toString(), ".", violation.path));
      }
      added->set_description(violation.reason);
    }
  }
  return fields;
}

}  // namespace

std::string describeErrors(absl::string_view type_url, absl::Span<const ResourceError> errors, size_t max_bytes) {
  std::string text;
  size_t left_out = 0;
  bool full = false;
  for (const ResourceError& error : errors) {
    size_t told = 0;
    if (!full) {
      const std::string who = subject(type_url, error);
      for (const config::Violation& violation : error.violations.list()) {
        const std::string added = line(who, violation);
        full = text.size() + added.size() + 1 > max_bytes;
        if (full) {
          break;
        }
        absl::StrAppend(&text, text.empty() ? "" : "\n", added);
        ++told;
      }
    }
    left_out += error.violations.size() - told;
  }
  if (left_out > 0) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", "and ", left_out, " more");
  }
  return text;
}

google::rpc::Status nackStatus(absl::string_view type_url, absl::Span<const ResourceError> errors) {
  google::rpc::Status status;
  status.set_code(kInternal);
  status.set_message(describeErrors(type_url, errors, kMaxNackBytes));
  status.add_details()->PackFrom(badFields(errors));
  return status;
}

}  // namespace sluice::xds
