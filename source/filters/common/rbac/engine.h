#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/http/header_matcher.h"
#include "source/http/stream_info.h"
#include "source/matcher/ip_ranges.h"
#include "source/matcher/metadata_matcher.h"
#include "source/matcher/string_matcher.h"

namespace sluice::filters::rbac {

/** What rules are asked about: a connection, or a request on one. */
struct Query {
  const net::StreamInfo& info;
  /** Null for a connection. */
  const http::HeaderMap* headers = nullptr;
  /** Of the route; null where there is none. */
  const envoy::config::core::v3::Metadata* route_metadata = nullptr;
};

/** A permission or a principal, with those inside it. */
struct Rule {
  enum class Kind : uint8_t {
    Any,
    And,
    Or,
    Not,
    Header,
    UrlPath,
    DestinationIp,
    DestinationPort,
    RequestedServerName,
    Metadata,
    RouteMetadata,
    FilterState,
    /** Of a TLS connection; with `string`, one of whose names it fits. */
    Authenticated,
    /** The peer as restored (PROXY protocol, x-forwarded-for), and the socket's own. */
    RemoteIp,
    DirectRemoteIp,
  };
  Kind kind = Kind::Any;
  std::vector<Rule> inner;
  std::vector<http::HeaderMatcher> headers;
  std::optional<matcher::StringMatcher> string;
  matcher::IpRanges addresses;
  /** Ports from the first up to but not the second. */
  matcher::NumberRange<int32_t> ports;
  std::vector<matcher::MetadataMatcher> metadata;
  std::vector<matcher::FilterStateMatcher> filter_state;

  bool matches(const Query& query) const;
};

/** Applies when one of its permissions and one of its principals match. */
struct Policy {
  std::string name;
  std::vector<Rule> permissions;
  std::vector<Rule> principals;
};

enum class Action : uint8_t { Allow, Deny, Log };

struct Verdict {
  bool allowed = true;
  /** Index of the policy that matched; none when none did. */
  std::optional<size_t> policy;
};

/** The rules of an RBAC message. Made on main, immutable; any thread. */
class Engine {
 public:
  /** Policies in the order of their names, which is the order of asking. */
  Engine(Action action, std::vector<Policy> policies) : action_(action), policies_(std::move(policies)) {}

  Verdict ask(const Query& query) const;
  Action action() const { return action_; }
  const std::vector<Policy>& policies() const { return policies_; }
  /** Empty when none matched. */
  absl::string_view policyName(const Verdict& verdict) const {
    return verdict.policy.has_value() ? absl::string_view(policies_[*verdict.policy].name) : absl::string_view();
  }

 private:
  const Action action_;
  const std::vector<Policy> policies_;
};

}  // namespace sluice::filters::rbac
