#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"

#include "source/config/document.h"
#include "source/config/field_path.h"
#include "source/config/source_map.h"
#include "source/config/violations.h"

namespace sluice::config {

struct ParseOptions {
  Format format = Format::Auto;
  /// Fields that the message does not have are left out instead of refused (`--allow-unknown-static-fields`).
  bool allow_unknown_fields = false;
};

/// Reads a YAML or JSON text into `out`, which it replaces, by the JSON mapping of proto3. Field names may be
/// snake_case or lowerCamelCase. It does not stop at the first mistake: all are added to `violations`, each with its
/// path and line, and what could be read is in `out`. Checks the shape only; rules are validate.h's.
///
/// If given, `locations` can then tell lines of paths, and `unknown_fields` gets the paths of fields that were left
/// out because of `allow_unknown_fields`. True if there was no mistake. Pure; any thread.
bool parseYaml(absl::string_view text, google::protobuf::Message& out, const ParseOptions& options,
               SourceMap* locations, Violations& violations, std::vector<std::string>* unknown_fields = nullptr);

/// The format that a file's name asks for: `.json` is JSON, `.yaml` and `.yml` YAML, anything else Auto.
Format formatOf(absl::string_view file_name);

/// Reads a Struct, as in a TypedStruct, into `out` like parseYaml does a text. True if there was no mistake.
bool structToMessage(const google::protobuf::Struct& value, google::protobuf::Message& out, const FieldPath& path,
                     Violations& violations);

}  // namespace sluice::config
