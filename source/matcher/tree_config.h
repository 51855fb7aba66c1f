#pragma once

#include <functional>
#include <memory>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/message.h"
#include "xds/type/matcher/v3/matcher.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/matcher/config.h"
#include "source/matcher/tree.h"

namespace sluice::matcher {

/** What a tree is made with that its engine does not know of. Main thread. */
struct TreeParts {
  /** The input that a message stands for, by what its layer offers; null, with nothing said, for any other message. */
  std::function<std::shared_ptr<const Input>(const google::protobuf::Message& message)> input;
  /** The number of an action; mistakes go to the violations. */
  std::function<uint32_t(const google::protobuf::Any& action, const config::FieldPath& path,
                         config::Violations& violations)>
      action;
};

/** From the message, once config::validateMessage() has passed it. Of use only where nothing was added to `violations`. */
Tree toTree(const ::xds::type::matcher::v3::Matcher& proto, const TreeParts& parts, RegexLimit limit,
            const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::matcher
