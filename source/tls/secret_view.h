#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "google/protobuf/message.h"

#include "source/base/clock.h"

namespace sluice::tls {

/** What the admin pages show of a secret that has a name. Private keys are in its messages: the pages leave them out. */
struct SecretView {
  std::string name;
  /** Over SDS. */
  bool dynamic = false;
  std::string version;
  base::SystemTime last_updated;
  /** A Secret; null before the first came. */
  std::shared_ptr<const google::protobuf::Message> message;
  struct Failure {
    /** Null if it could not be read at all. */
    std::shared_ptr<const google::protobuf::Message> message;
    base::SystemTime last_attempt;
    std::string details;
    std::string version;
  };
  std::optional<Failure> failure;
};

/** `key` is what the next visit may go on after. */
using SecretVisitor = absl::FunctionRef<bool(const std::string& key, const SecretView& view)>;

}  // namespace sluice::tls
