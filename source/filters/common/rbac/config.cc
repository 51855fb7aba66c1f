#include "source/filters/common/rbac/config.h"

#include <algorithm>
#include <string>
#include <utility>

#include "envoy/config/rbac/v3/rbac.pb.h"

#include "source/matcher/config.h"

namespace sluice::filters::rbac {
namespace {

using envoy::config::rbac::v3::Permission;
using envoy::config::rbac::v3::Principal;
using Kind = Rule::Kind;

constexpr const char* kNeedsRequests = "concerns requests, which a network filter does not see";

/** Reads both trees, whose leaves are much the same. */
class Reader {
 public:
  Reader(bool for_connections, const runtime::Snapshot& runtime, config::Violations& violations)
      : for_connections_(for_connections), limit_(matcher::RegexLimit::of(runtime)), violations_(violations) {}

  Rule read(const Permission& proto, const config::FieldPath& path) {
    Rule rule;
    switch (proto.rule_case()) {
      case Permission::kAny:
        break;
      case Permission::kAndRules:
        rule.kind = Kind::And;
        rule.inner = readAll(proto.and_rules().rules(), path.field("and_rules").field("rules"));
        break;
      case Permission::kOrRules:
        rule.kind = Kind::Or;
        rule.inner = readAll(proto.or_rules().rules(), path.field("or_rules").field("rules"));
        break;
      case Permission::kNotRule:
        rule.kind = Kind::Not;
        rule.inner.push_back(read(proto.not_rule(), path.field("not_rule")));
        break;
      case Permission::kHeader:
        readHeader(proto.header(), path.field("header"), rule);
        break;
      case Permission::kUrlPath:
        readPath(proto.url_path(), path.field("url_path"), rule);
        break;
      case Permission::kDestinationIp:
        readRange(Kind::DestinationIp, proto.destination_ip(), path.field("destination_ip"), rule);
        break;
      case Permission::kDestinationPort:
        rule.kind = Kind::DestinationPort;
        rule.ports = {static_cast<int32_t>(proto.destination_port()),
                      static_cast<int32_t>(proto.destination_port()) + 1};
        break;
      case Permission::kDestinationPortRange:
        rule.kind = Kind::DestinationPort;
        rule.ports = {proto.destination_port_range().start(), proto.destination_port_range().end()};
        if (rule.ports.begin >= rule.ports.end || rule.ports.begin < 0 || rule.ports.end > 65536) {
          violations_.add(path.field("destination_port_range"), "must begin below its end, within 0 to 65536");
        }
        break;
      case Permission::kMetadata:
        readMetadata(Kind::Metadata, proto.metadata(), path.field("metadata"), rule);
        break;
      case Permission::kSourcedMetadata:
        readSourced(proto.sourced_metadata(), path.field("sourced_metadata"), rule);
        break;
      case Permission::kRequestedServerName:
        rule.kind = Kind::RequestedServerName;
        rule.string = matcher::toStringMatcher(proto.requested_server_name(), limit_,
                                               path.field("requested_server_name"), violations_);
        break;
      default:
        violations_.add(path, "must be one of the supported rules");
        break;
    }
    return rule;
  }

  Rule read(const Principal& proto, const config::FieldPath& path) {
    Rule rule;
    switch (proto.identifier_case()) {
      case Principal::kAny:
        break;
      case Principal::kAndIds:
        rule.kind = Kind::And;
        rule.inner = readAll(proto.and_ids().ids(), path.field("and_ids").field("ids"));
        break;
      case Principal::kOrIds:
        rule.kind = Kind::Or;
        rule.inner = readAll(proto.or_ids().ids(), path.field("or_ids").field("ids"));
        break;
      case Principal::kNotId:
        rule.kind = Kind::Not;
        rule.inner.push_back(read(proto.not_id(), path.field("not_id")));
        break;
      case Principal::kAuthenticated:
        rule.kind = Kind::Authenticated;
        if (proto.authenticated().has_principal_name()) {
          rule.string = matcher::toStringMatcher(proto.authenticated().principal_name(), limit_,
                                                 path.field("authenticated").field("principal_name"), violations_);
        }
        break;
      case Principal::kSourceIp:
        // Deprecated, and means what the socket's peer seemed to be.
        readRange(Kind::RemoteIp, proto.source_ip(), path.field("source_ip"), rule);
        break;
      case Principal::kRemoteIp:
        readRange(Kind::RemoteIp, proto.remote_ip(), path.field("remote_ip"), rule);
        break;
      case Principal::kDirectRemoteIp:
        readRange(Kind::DirectRemoteIp, proto.direct_remote_ip(), path.field("direct_remote_ip"), rule);
        break;
      case Principal::kHeader:
        readHeader(proto.header(), path.field("header"), rule);
        break;
      case Principal::kUrlPath:
        readPath(proto.url_path(), path.field("url_path"), rule);
        break;
      case Principal::kMetadata:
        readMetadata(Kind::Metadata, proto.metadata(), path.field("metadata"), rule);
        break;
      case Principal::kSourcedMetadata:
        readSourced(proto.sourced_metadata(), path.field("sourced_metadata"), rule);
        break;
      case Principal::kFilterState:
        rule.kind = Kind::FilterState;
        rule.filter_state.push_back(
            matcher::toFilterStateMatcher(proto.filter_state(), limit_, path.field("filter_state"), violations_));
        break;
      default:
        violations_.add(path, "must be one of the supported identifiers");
        break;
    }
    return rule;
  }

  template <class Protos>
  std::vector<Rule> readAll(const Protos& protos, const config::FieldPath& path) {
    std::vector<Rule> rules;
    for (int i = 0; i < protos.size(); ++i) {
      rules.push_back(read(protos[i], path.index(i)));
    }
    return rules;
  }

 private:
  void readHeader(const envoy::config::route::v3::HeaderMatcher& proto, const config::FieldPath& path, Rule& rule) {
    needsRequests(path);
    rule.kind = Kind::Header;
    rule.headers.push_back(http::HeaderMatcher::create(proto, limit_, path, violations_));
  }
  void readPath(const envoy::type::matcher::v3::PathMatcher& proto, const config::FieldPath& path, Rule& rule) {
    needsRequests(path);
    rule.kind = Kind::UrlPath;
    rule.string = matcher::toPathMatcher(proto, limit_, path, violations_);
  }
  void readRange(Kind kind, const envoy::config::core::v3::CidrRange& proto, const config::FieldPath& path,
                 Rule& rule) {
    rule.kind = kind;
    if (const absl::Status added = rule.addresses.add(proto.address_prefix(), proto.prefix_len().value());
        !added.ok()) {
      violations_.add(path, std::string(added.message()));
    }
    rule.addresses.seal();
  }
  void readMetadata(Kind kind, const envoy::type::matcher::v3::MetadataMatcher& proto, const config::FieldPath& path,
                    Rule& rule) {
    rule.kind = kind;
    rule.metadata.push_back(matcher::toMetadataMatcher(proto, limit_, path, violations_));
  }
  void readSourced(const envoy::config::rbac::v3::SourcedMetadata& proto, const config::FieldPath& path, Rule& rule) {
    const bool route = proto.metadata_source() == envoy::config::rbac::v3::ROUTE;
    if (route) {
      needsRequests(path.field("metadata_source"));
    }
    readMetadata(route ? Kind::RouteMetadata : Kind::Metadata, proto.metadata_matcher(), path.field("metadata_matcher"),
                 rule);
  }
  void needsRequests(const config::FieldPath& path) {
    if (for_connections_) {
      violations_.add(path, kNeedsRequests);
    }
  }

  const bool for_connections_;
  const matcher::RegexLimit limit_;
  config::Violations& violations_;
};

}  // namespace

std::shared_ptr<const Engine> readEngine(const envoy::config::rbac::v3::RBAC& proto, bool for_connections,
                                         const runtime::Snapshot& runtime, const config::FieldPath& path,
                                         config::Violations& violations) {
  Reader reader(for_connections, runtime, violations);
  std::vector<Policy> policies;
  for (const auto& [name, policy] : proto.policies()) {
    const config::FieldPath at = path.field("policies").key(name);
    policies.push_back({name, reader.readAll(policy.permissions(), at.field("permissions")),
                        reader.readAll(policy.principals(), at.field("principals"))});
  }
  std::sort(policies.begin(), policies.end(), [](const Policy& a, const Policy& b) { return a.name < b.name; });
  const Action action = proto.action() == envoy::config::rbac::v3::RBAC::DENY  ? Action::Deny
                        : proto.action() == envoy::config::rbac::v3::RBAC::LOG ? Action::Log
                                                                               : Action::Allow;
  return std::make_shared<const Engine>(action, std::move(policies));
}

}  // namespace sluice::filters::rbac
