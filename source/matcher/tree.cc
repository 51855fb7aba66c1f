#include "source/matcher/tree.h"

#include <algorithm>

namespace sluice::matcher {

uint32_t Tree::findAt(uint32_t node, const Subject& subject) const {
  const Node& at = nodes_[node];
  const uint32_t found = std::visit([&](const auto& body) { return findIn(body, subject); }, at.body);
  return found != kNone ? found : follow(at.otherwise, subject);
}

uint32_t Tree::follow(const Outcome& outcome, const Subject& subject) const {
  if (outcome.keep_matching) {
    return kNone;
  }
  return outcome.node != kNone ? findAt(outcome.node, subject) : outcome.action;
}

uint32_t Tree::findIn(const List& list, const Subject& subject) const {
  for (const List::Entry& entry : list.entries) {
    if (matches(entry.predicate, subject)) {
      if (const uint32_t found = follow(entry.outcome, subject); found != kNone) {
        return found;
      }
    }
  }
  return kNone;
}

uint32_t Tree::findIn(const ExactMap& map, const Subject& subject) const {
  std::string scratch;
  const auto value = map.input->value(subject, scratch);
  if (!value.has_value()) {
    return kNone;
  }
  const auto found = map.outcomes.find(*value);
  return found == map.outcomes.end() ? kNone : follow(found->second, subject);
}

uint32_t Tree::findIn(const TextPrefixMap& map, const Subject& subject) const {
  std::string scratch;
  const auto value = map.input->value(subject, scratch);
  if (!value.has_value()) {
    return kNone;
  }
  for (size_t length : map.lengths) {
    if (length > value->size()) {
      continue;
    }
    const auto found = map.outcomes.find(value->substr(0, length));
    if (found != map.outcomes.end()) {
      if (const uint32_t action = follow(found->second, subject); action != kNone) {
        return action;
      }
    }
  }
  return kNone;
}

uint32_t Tree::findIn(const IpMap& map, const Subject& subject) const {
  std::string scratch;
  const auto value = map.input->value(subject, scratch);
  if (!value.has_value()) {
    return kNone;
  }
  for (uint32_t at = map.prefixes.find(*value); at != PrefixMap::kNone; at = map.ranges[at].shorter) {
    const IpMap::Range& range = map.ranges[at];
    const uint32_t action = follow(range.outcome, subject);
    if (action != kNone || range.exclusive) {
      return action;
    }
  }
  return kNone;
}

uint32_t Tree::findIn(const DomainMap& map, const Subject& subject) const {
  std::string scratch;
  const auto value = map.input->value(subject, scratch);
  if (!value.has_value() || value->empty()) {
    return kNone;
  }
  const auto at = [&](absl::string_view key) {
    const auto found = map.outcomes.find(key);
    return found == map.outcomes.end() ? kNone : follow(found->second, subject);
  };
  uint32_t action = at(*value);
  // From the longest domain on.
  for (size_t dot = value->find('.', 1); action == kNone && dot != absl::string_view::npos;
       dot = value->find('.', dot + 1)) {
    action = at(value->substr(dot));
  }
  return action == kNone ? at(".") : action;
}

bool Tree::matches(const Predicate& predicate, const Subject& subject) {
  const auto inner = [&subject](const Predicate& one) { return matches(one, subject); };
  switch (predicate.kind) {
    case Predicate::Kind::Or:
      return std::any_of(predicate.inner.begin(), predicate.inner.end(), inner);
    case Predicate::Kind::And:
      return std::all_of(predicate.inner.begin(), predicate.inner.end(), inner);
    case Predicate::Kind::Not:
      return !inner(predicate.inner.front());
    case Predicate::Kind::Single:
      break;
  }
  std::string scratch;
  const auto value = predicate.input->value(subject, scratch);
  return value.has_value() && predicate.text.matches(*value);
}

}  // namespace sluice::matcher
