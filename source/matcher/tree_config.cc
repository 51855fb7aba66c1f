#include "source/matcher/tree_config.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "xds/type/matcher/v3/domain.pb.h"
#include "xds/type/matcher/v3/ip.pb.h"

#include "source/config/type_registry.h"

namespace sluice::matcher {

using Matcher = ::xds::type::matcher::v3::Matcher;
using ::xds::type::matcher::v3::IPMatcher;
using ::xds::type::matcher::v3::ServerNameMatcher;

class TreeReader {
 public:
  TreeReader(const TreeParts& parts, RegexLimit limit, config::Violations& violations)
      : parts_(parts), limit_(limit), violations_(violations) {}

  Tree read(const Matcher& proto, const config::FieldPath& path) {
    tree_.root_ = readNode(proto, path);
    return std::move(tree_);
  }

 private:
  uint32_t readNode(const Matcher& proto, const config::FieldPath& path) {
    Tree::Node node;
    switch (proto.matcher_type_case()) {
      case Matcher::kMatcherList:
        node.body = readList(proto.matcher_list(), path.field("matcher_list"));
        break;
      case Matcher::kMatcherTree:
        readTree(proto.matcher_tree(), path.field("matcher_tree"), node);
        break;
      case Matcher::MATCHER_TYPE_NOT_SET:
        // on_no_match alone.
        break;
    }
    if (proto.has_on_no_match()) {
      node.otherwise = readOutcome(proto.on_no_match(), path.field("on_no_match"));
    }
    tree_.nodes_.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes_.size() - 1);
  }

  Tree::Outcome readOutcome(const Matcher::OnMatch& proto, const config::FieldPath& path) {
    Tree::Outcome outcome;
    outcome.keep_matching = proto.keep_matching();
    switch (proto.on_match_case()) {
      case Matcher::OnMatch::kMatcher:
        outcome.node = readNode(proto.matcher(), path.field("matcher"));
        break;
      case Matcher::OnMatch::kAction:
        outcome.action =
            parts_.action(proto.action().typed_config(), path.field("action").field("typed_config"), violations_);
        break;
      case Matcher::OnMatch::ON_MATCH_NOT_SET:
        violations_.add(path, "needs an action or a matcher");
        break;
    }
    return outcome;
  }

  const Input* readInput(const ::xds::core::v3::TypedExtensionConfig& proto, const config::FieldPath& path) {
    const config::FieldPath config_path = path.field("typed_config");
    const std::unique_ptr<google::protobuf::Message> message =
        config::unpackExtension(proto.typed_config(), config_path, violations_);
    if (message == nullptr) {
      return nullptr;
    }
    std::shared_ptr<const Input> input = parts_.input(*message);
    if (input == nullptr) {
      violations_.add(config_path, absl::StrCat("'", message->GetDescriptor()->full_name(),
                                                "' is no input that can be asked for here"));
      return nullptr;
    }
    tree_.inputs_.push_back(std::move(input));
    return tree_.inputs_.back().get();
  }

  Tree::List readList(const Matcher::MatcherList& proto, const config::FieldPath& path) {
    Tree::List list;
    for (int i = 0; i < proto.matchers_size(); ++i) {
      const config::FieldPath entry = path.field("matchers").index(i);
      Tree::Predicate predicate = readPredicate(proto.matchers(i).predicate(), entry.field("predicate"));
      list.entries.push_back(
          {std::move(predicate), readOutcome(proto.matchers(i).on_match(), entry.field("on_match"))});
    }
    return list;
  }

  Tree::Predicate readPredicate(const Matcher::MatcherList::Predicate& proto, const config::FieldPath& path) {
    using Proto = Matcher::MatcherList::Predicate;
    using Kind = Tree::Predicate::Kind;
    Tree::Predicate predicate;
    auto readInner = [&](const Proto::PredicateList& list, const config::FieldPath& list_path) {
      for (int i = 0; i < list.predicate_size(); ++i) {
        predicate.inner.push_back(readPredicate(list.predicate(i), list_path.field("predicate").index(i)));
      }
    };
    switch (proto.match_type_case()) {
      case Proto::kSinglePredicate: {
        const config::FieldPath single = path.field("single_predicate");
        predicate.input = readInput(proto.single_predicate().input(), single.field("input"));
        if (proto.single_predicate().has_custom_match()) {
          violations_.add(single.field("custom_match"), "there are no custom predicates: use value_match");
        } else {
          predicate.text = readText(proto.single_predicate().value_match(), single.field("value_match"));
        }
        break;
      }
      case Proto::kOrMatcher:
        predicate.kind = Kind::Or;
        readInner(proto.or_matcher(), path.field("or_matcher"));
        break;
      case Proto::kAndMatcher:
        predicate.kind = Kind::And;
        readInner(proto.and_matcher(), path.field("and_matcher"));
        break;
      case Proto::kNotMatcher:
        predicate.kind = Kind::Not;
        predicate.inner.push_back(readPredicate(proto.not_matcher(), path.field("not_matcher")));
        break;
      case Proto::MATCH_TYPE_NOT_SET:
        violations_.add(path, "says nothing to match");
        break;
    }
    return predicate;
  }

  /** xds.type.matcher.v3.StringMatcher is envoy.type.matcher.v3.StringMatcher under another name, field by field. */
  StringMatcher readText(const ::xds::type::matcher::v3::StringMatcher& proto, const config::FieldPath& path) {
    envoy::type::matcher::v3::StringMatcher same;
    if (!same.ParseFromString(proto.SerializeAsString())) {
      violations_.add(path, "cannot be read");
      return {};
    }
    return toStringMatcher(same, limit_, path, violations_);
  }

  void readTree(const Matcher::MatcherTree& proto, const config::FieldPath& path, Tree::Node& node) {
    const Input* input = readInput(proto.input(), path.field("input"));
    switch (proto.tree_type_case()) {
      case Matcher::MatcherTree::kExactMatchMap:
        node.body = Tree::ExactMap{input, readMap(proto.exact_match_map(), path.field("exact_match_map").field("map"))};
        break;
      case Matcher::MatcherTree::kPrefixMatchMap: {
        Tree::TextPrefixMap map{
            input, readMap(proto.prefix_match_map(), path.field("prefix_match_map").field("map")), {}};
        std::set<size_t, std::greater<>> lengths;
        for (const auto& [prefix, outcome] : map.outcomes) {
          lengths.insert(prefix.size());
        }
        map.lengths.assign(lengths.begin(), lengths.end());
        node.body = std::move(map);
        break;
      }
      case Matcher::MatcherTree::kCustomMatch:
        readCustom(proto.custom_match(), input, path.field("custom_match").field("typed_config"), node);
        break;
      case Matcher::MatcherTree::TREE_TYPE_NOT_SET:
        violations_.add(path, "one of exact_match_map, prefix_match_map, custom_match is required");
        break;
    }
  }

  absl::flat_hash_map<std::string, Tree::Outcome> readMap(const Matcher::MatcherTree::MatchMap& proto,
                                                          const config::FieldPath& path) {
    // In the order of the keys, so that mistakes are told in one order.
    std::map<std::string, const Matcher::OnMatch*> sorted;
    for (const auto& [key, on_match] : proto.map()) {
      sorted.emplace(key, &on_match);
    }
    absl::flat_hash_map<std::string, Tree::Outcome> outcomes;
    for (const auto& [key, on_match] : sorted) {
      outcomes.emplace(key, readOutcome(*on_match, path.key(key)));
    }
    return outcomes;
  }

  void readCustom(const ::xds::core::v3::TypedExtensionConfig& proto, const Input* input, const config::FieldPath& path,
                  Tree::Node& node) {
    const std::unique_ptr<google::protobuf::Message> message =
        config::unpackExtension(proto.typed_config(), path, violations_);
    if (message == nullptr) {
      return;
    }
    const std::string& type = message->GetDescriptor()->full_name();
    if (type == IPMatcher::descriptor()->full_name()) {
      IPMatcher ip;
      ip.CopyFrom(*message);
      Tree::IpMap map;
      map.input = input;
      readRanges(ip, path.field("range_matchers"), map);
      node.body = std::move(map);
    } else if (type == ServerNameMatcher::descriptor()->full_name()) {
      ServerNameMatcher names;
      names.CopyFrom(*message);
      node.body = readDomains(names, input, path.field("domain_matchers"));
    } else {
      violations_.add(
          path, absl::StrCat("'", type, "' is not supported here, only ", IPMatcher::descriptor()->full_name(), " and ",
                             ServerNameMatcher::descriptor()->full_name()));
    }
  }

  Tree::DomainMap readDomains(const ServerNameMatcher& proto, const Input* input, const config::FieldPath& path) {
    Tree::DomainMap map;
    map.input = input;
    for (int i = 0; i < proto.domain_matchers_size(); ++i) {
      const auto& matcher = proto.domain_matchers(i);
      const Tree::Outcome outcome = readOutcome(matcher.on_match(), path.index(i).field("on_match"));
      for (int k = 0; k < matcher.domains_size(); ++k) {
        const std::string& domain = matcher.domains(k);
        const config::FieldPath domain_path = path.index(i).field("domains").index(k);
        const bool wildcard = absl::StartsWith(domain, "*.") && domain.size() > 2;
        std::string key = domain == "*" ? "." : absl::AsciiStrToLower(domain.substr(wildcard ? 1 : 0));
        if (key.empty() || absl::StrContains(key, "*")) {
          violations_.add(domain_path, absl::StrCat("'", domain, "': give a name, '*.' before a name, or '*'"));
        } else if (!map.outcomes.emplace(std::move(key), outcome).second) {
          violations_.add(domain_path, absl::StrCat("'", domain, "' is there twice"));
        }
      }
    }
    return map;
  }

  void readRanges(const IPMatcher& proto, const config::FieldPath& path, Tree::IpMap& map) {
    std::map<IpPrefix, uint32_t> known;
    std::vector<PrefixMap::Entry> entries;
    for (int i = 0; i < proto.range_matchers_size(); ++i) {
      const auto& range = proto.range_matchers(i);
      const config::FieldPath ranges = path.index(i).field("ranges");
      const Tree::Outcome outcome = readOutcome(range.on_match(), path.index(i).field("on_match"));
      for (int k = 0; k < range.ranges_size(); ++k) {
        const auto prefix = IpPrefix::create(range.ranges(k).address_prefix(), range.ranges(k).prefix_len().value());
        if (!prefix.ok()) {
          violations_.add(ranges.index(k), std::string(prefix.status().message()));
          continue;
        }
        const auto number = static_cast<uint32_t>(map.ranges.size());
        if (!known.emplace(*prefix, number).second) {
          violations_.add(ranges.index(k), absl::StrCat(prefix->toString(), " is there twice"));
          continue;
        }
        entries.push_back({*prefix, number});
        map.ranges.push_back({outcome, range.exclusive(), Tree::kNone});
      }
    }
    for (const auto& [prefix, number] : known) {
      map.ranges[number].shorter = shorterPrefix(prefix, known);
    }
    map.prefixes = PrefixMap(std::move(entries));
  }

  static uint32_t shorterPrefix(const IpPrefix& prefix, const std::map<IpPrefix, uint32_t>& known) {
    const std::string text = prefix.toString();
    const std::string address = text.substr(0, text.find('/'));
    for (uint32_t length = prefix.length; length-- > 0;) {
      if (const auto found = known.find(*IpPrefix::create(address, length)); found != known.end()) {
        return found->second;
      }
    }
    return Tree::kNone;
  }

  const TreeParts& parts_;
  const RegexLimit limit_;
  config::Violations& violations_;
  Tree tree_;
};

Tree toTree(const Matcher& proto, const TreeParts& parts, RegexLimit limit, const config::FieldPath& path,
            config::Violations& violations) {
  return TreeReader(parts, limit, violations).read(proto, path);
}

}  // namespace sluice::matcher
