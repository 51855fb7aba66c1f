#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/matcher/prefix_map.h"
#include "source/matcher/string_matcher.h"

namespace sluice::matcher {

/**
 * What a tree is asked about: a connection, a request. The layer that knows it derives from this, makes the inputs that
 * look at it, and gives a tree's inputs nothing else to look at.
 */
class Subject {
 protected:
  ~Subject() = default;
};

/** One thing to be asked of a subject. Immutable; any thread. */
class Input {
 public:
  virtual ~Input() = default;
  /** None while it is not known. The view is of the subject, or of `scratch`, which may be filled for it. */
  virtual std::optional<absl::string_view> value(const Subject& subject, std::string& scratch) const = 0;
};

/**
 * An xDS matcher (xds.type.matcher.v3.Matcher): lists of predicates and maps, nested, that lead to actions, which are
 * the caller's numbers. What leads nowhere, a nested matcher included, is passed over for the next that matches, and in
 * the end for on_no_match. Made on main by tree_config.h, immutable, for any thread.
 */
class Tree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /** Matches nothing. */
  Tree() = default;

  /** The action, or kNone. */
  uint32_t find(const Subject& subject) const { return root_ == kNone ? kNone : findAt(root_, subject); }

 private:
  friend class TreeReader;

  /** What a match leads to: an action, or the node of a nested matcher. */
  struct Outcome {
    uint32_t action = kNone;
    uint32_t node = kNone;
    /** Matching goes on as though this had not matched. */
    bool keep_matching = false;
  };
  struct Predicate {
    enum class Kind : uint8_t { Single, Or, And, Not };
    Kind kind = Kind::Single;
    const Input* input = nullptr;
    StringMatcher text;
    std::vector<Predicate> inner;
  };
  struct List {
    struct Entry {
      Predicate predicate;
      Outcome outcome;
    };
    std::vector<Entry> entries;
  };
  struct ExactMap {
    const Input* input = nullptr;
    absl::flat_hash_map<std::string, Outcome> outcomes;
  };
  struct TextPrefixMap {
    const Input* input = nullptr;
    absl::flat_hash_map<std::string, Outcome> outcomes;
    /** Of the prefixes, each once, the longest first. */
    std::vector<size_t> lengths;
  };
  struct IpMap {
    struct Range {
      Outcome outcome;
      /** When it leads nowhere, shorter prefixes are not tried. */
      bool exclusive = false;
      /** The next shorter prefix that holds this one; kNone: there is none. */
      uint32_t shorter = kNone;
    };
    const Input* input = nullptr;
    PrefixMap prefixes;
    std::vector<Range> ranges;
  };
  struct DomainMap {
    const Input* input = nullptr;
    /** By "a.test", by ".test" for what ends so, and by "." for all. */
    absl::flat_hash_map<std::string, Outcome> outcomes;
  };
  struct Node {
    std::variant<List, ExactMap, TextPrefixMap, IpMap, DomainMap> body;
    Outcome otherwise;
  };

  uint32_t findAt(uint32_t node, const Subject& subject) const;
  uint32_t follow(const Outcome& outcome, const Subject& subject) const;
  uint32_t findIn(const List& list, const Subject& subject) const;
  uint32_t findIn(const ExactMap& map, const Subject& subject) const;
  uint32_t findIn(const TextPrefixMap& map, const Subject& subject) const;
  uint32_t findIn(const IpMap& map, const Subject& subject) const;
  uint32_t findIn(const DomainMap& map, const Subject& subject) const;
  static bool matches(const Predicate& predicate, const Subject& subject);

  std::vector<std::shared_ptr<const Input>> inputs_;
  std::vector<Node> nodes_;
  uint32_t root_ = kNone;
};

}  // namespace sluice::matcher
