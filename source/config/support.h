#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "source/config/violations.h"

namespace sluice::config {

/// What Sluice does with a field that is set.
enum class Support {
  Supported,
  Limited,  // supported with some of its values
  Carried,  // kept and handed on; what is inside concerns only those who read it
  Offered,  // extensions of which the first that Sluice has is taken: one that it does not have is no mistake
  Ignored,  // has no effect, and does no harm by that
  Refused,
};

struct FieldSupport {
  Support support = Support::Refused;
  std::vector<std::string> values;  // Limited: those that are supported
  std::string note;                 // why it is ignored, limited or refused
};

/// What Sluice does with the fields of one message. A field that is not named is refused.
struct MessageSupport {
  std::string name;
  bool all = false;  // every field is supported
  std::vector<std::string> order;
  absl::flat_hash_map<std::string, FieldSupport> fields;

  const FieldSupport& field(absl::string_view name) const;
};

/// The list of what Sluice supports of the xDS API, read from api/support.txt (which tells its own format). A message
/// that it does not name is refused wherever it is met. Immutable; any thread.
class SupportTable {
 public:
  struct Section {
    std::string title;
    std::vector<std::string> messages;
  };

  /// The program's own.
  static const SupportTable& builtin();

  /// InvalidArgument names the line that cannot be read.
  static absl::StatusOr<SupportTable> parse(absl::string_view text);

  /// Null if it is not listed.
  const MessageSupport* find(const std::string& full_name) const;

  const std::vector<Section>& sections() const { return sections_; }

  /// Names that no message, field or enum value of the API has, and values that a field cannot have.
  Violations check() const;

 private:
  friend class SupportReader;

  std::vector<Section> sections_;
  absl::flat_hash_map<std::string, MessageSupport> messages_;
};

/// A value as support.txt writes it: an enum's name, `true`, a number, a duration such as `5s`, `{}` for a message with
/// nothing in it; that of a wrapper is what it wraps. `index` is -1 or that of a list's item.
std::string supportValue(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                         int index);

}  // namespace sluice::config
