#include "source/http/header_mutations.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"

namespace sluice::http {

using envoy::config::core::v3::HeaderValueOption;

bool HeaderMutations::modifiable(absl::string_view lower_name) {
  return !absl::StartsWith(lower_name, ":") && lower_name != "host";
}

std::shared_ptr<const HeaderMutations> HeaderMutations::create(const Options& add, const Names& remove,
                                                               absl::string_view prefix,
                                                               const access_log::OperatorTable& operators,
                                                               const config::FieldPath& parent,
                                                               config::Violations& violations) {
  if (add.empty() && remove.empty()) {
    return nullptr;
  }
  auto made = std::make_shared<HeaderMutations>();
  made->steps_.reserve(static_cast<size_t>(add.size()) + static_cast<size_t>(remove.size()));
  const config::FieldPath removals = parent.field(absl::StrCat(prefix, "_headers_to_remove"));
  for (int i = 0; i < remove.size(); ++i) {
    made->addRemoval(remove[i], removals.index(i), violations);
  }
  const config::FieldPath additions = parent.field(absl::StrCat(prefix, "_headers_to_add"));
  for (int i = 0; i < add.size(); ++i) {
    made->addOption(add[i], operators, additions.index(i), violations);
  }
  return made;
}

void HeaderMutations::addRemoval(absl::string_view name, const config::FieldPath& path,
                                 config::Violations& violations) {
  Step step;
  step.action = Action::Remove;
  step.name = absl::AsciiStrToLower(name);
  if (!modifiable(step.name)) {
    violations.add(path, absl::StrCat("'", name, "': :-prefixed or host headers may not be removed"));
  }
  step.id = headerId(step.name);
  steps_.push_back(std::move(step));
}

void HeaderMutations::addOption(const HeaderValueOption& option, const access_log::OperatorTable& operators,
                                const config::FieldPath& path, config::Violations& violations) {
  Step step;
  step.name = absl::AsciiStrToLower(option.header().key());
  if (!modifiable(step.name)) {
    violations.add(path.field("header").field("key"),
                   absl::StrCat("'", option.header().key(), "': :-prefixed or host headers may not be modified"));
  }
  step.id = headerId(step.name);
  step.keep_empty = option.keep_empty_value();
  switch (option.append_action()) {
    case HeaderValueOption::ADD_IF_ABSENT:
      step.action = Action::AddIfAbsent;
      break;
    case HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      step.action = Action::Overwrite;
      break;
    case HeaderValueOption::OVERWRITE_IF_EXISTS:
      step.action = Action::OverwriteIfPresent;
      break;
    default:
      step.action = Action::Append;
      break;
  }
  if (option.has_append()) {
    if (option.append_action() != HeaderValueOption::APPEND_IF_EXISTS_OR_ADD) {
      violations.add(path.field("append"), "is set, and append_action too: only one may be");
    }
    step.action = option.append().value() ? Action::Append : Action::Overwrite;
  }
  const bool raw = option.header().value().empty() && !option.header().raw_value().empty();
  const std::string& value = raw ? option.header().raw_value() : option.header().value();
  const config::FieldPath value_path = path.field("header").field(raw ? "raw_value" : "value");
  if (!absl::StrContains(value, '%')) {
    step.literal = value;
  } else {
    absl::StatusOr<access_log::Format> format = access_log::Format::parse(value, operators, true);
    if (!format.ok()) {
      violations.add(value_path, std::string(format.status().message()));
      return;
    }
    if (format->isLiteral()) {
      step.literal = format->pieces().empty() ? "" : format->pieces()[0].argument.text;
    } else {
      step.format = std::make_unique<const access_log::Format>(*std::move(format));
    }
  }
  steps_.push_back(std::move(step));
}

void HeaderMutations::apply(HeaderMap& headers, const access_log::LogContext& context) const {
  // Null data where a step is not to be taken.
  auto* const values = static_cast<absl::string_view*>(
      headers.arena().allocate(steps_.size() * sizeof(absl::string_view), alignof(absl::string_view)));
  // Its capacity stays, so that in steady state formats ask nothing of the allocator.
  thread_local std::string text;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    values[i] = {};
    if (step.action == Action::Remove) {
      continue;
    }
    if (step.format != nullptr) {
      text.clear();
      step.format->append(context, text);
    }
    const absl::string_view value = step.format != nullptr ? text : step.literal;
    if (!value.empty() || step.keep_empty) {
      values[i] = headers.arena().copy(value);
    }
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const bool known = step.id != HeaderId::Other;
    if (step.action == Action::Remove) {
      known ? headers.remove(step.id) : headers.remove(step.name);
      continue;
    }
    if (values[i].data() == nullptr) {
      continue;
    }
    const bool present = step.action != Action::Append && (known ? headers.has(step.id) : headers.has(step.name));
    if ((step.action == Action::AddIfAbsent && present) || (step.action == Action::OverwriteIfPresent && !present)) {
      continue;
    }
    if (step.action == Action::Append || !present) {
      if (known) {
        headers.addView(step.id, values[i]);
      } else {
        headers.addView(headers.arena().copy(step.name), values[i]);
      }
    } else if (known) {
      headers.setView(step.id, values[i]);
    } else {
      headers.set(step.name, values[i]);
    }
  }
}

}  // namespace sluice::http
