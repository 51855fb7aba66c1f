#include "source/filters/common/rbac/engine.h"

#include <algorithm>

namespace sluice::filters::rbac {
namespace {

bool contains(const matcher::IpRanges& ranges, const net::Address& address) {
  return address.isIp() && ranges.contains(address.kind() == net::Address::Kind::Ipv6, address.bytes());
}

bool anyMatches(const std::vector<Rule>& rules, const Query& query) {
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.matches(query); });
}

bool filterStateMatches(const matcher::FilterStateMatcher& matcher, const net::StreamInfo& info) {
  const net::FilterState::Object* const found = info.filterState(matcher.key);
  return found != nullptr && matcher.matches(found->serialize());
}

/** The client's URIs, its DNS names and then its subject; an anonymous client's is empty. */
bool principalMatches(const matcher::StringMatcher& matcher, const net::TlsInfo& tls) {
  const net::CertificateDetails* const peer = tls.peer();
  if (peer == nullptr) {
    return matcher.matches("");
  }
  const auto fits = [&matcher](const std::string& name) { return matcher.matches(name); };
  return std::any_of(peer->uri_sans.begin(), peer->uri_sans.end(), fits) ||
         std::any_of(peer->dns_sans.begin(), peer->dns_sans.end(), fits) || matcher.matches(peer->subject);
}

}  // namespace

bool Rule::matches(const Query& query) const {
  switch (kind) {
    case Kind::Any:
      return true;
    case Kind::And:
      return std::all_of(inner.begin(), inner.end(), [&](const Rule& rule) { return rule.matches(query); });
    case Kind::Or:
      return anyMatches(inner, query);
    case Kind::Not:
      return !inner.front().matches(query);
    case Kind::Header:
      return query.headers != nullptr && headers.front().matches(*query.headers);
    case Kind::UrlPath: {
      const absl::string_view path =
          query.headers == nullptr ? absl::string_view() : query.headers->get(http::HeaderId::Path);
      return path.data() != nullptr && string->matches(matcher::pathAlone(path));
    }
    case Kind::DestinationIp:
      return contains(addresses, query.info.downstream_local);
    case Kind::DestinationPort:
      return query.info.downstream_local.isIp() && ports.contains(query.info.downstream_local.port());
    case Kind::RequestedServerName:
      return string->matches(query.info.requestedServerName());
    case Kind::Metadata:
      return metadata.front().matches(query.info.extras == nullptr ? nullptr : query.info.extras->metadata.get());
    case Kind::RouteMetadata:
      return metadata.front().matches(query.route_metadata);
    case Kind::FilterState:
      return filterStateMatches(filter_state.front(), query.info);
    case Kind::Authenticated:
      return query.info.downstream_tls != nullptr &&
             (!string.has_value() || principalMatches(*string, *query.info.downstream_tls));
    case Kind::RemoteIp:
      return contains(addresses, query.info.downstream_remote);
    case Kind::DirectRemoteIp:
      return contains(addresses, query.info.downstream_direct_remote);
  }
  return false;
}

Verdict Engine::ask(const Query& query) const {
  Verdict verdict;
  for (size_t i = 0; i < policies_.size(); ++i) {
    if (anyMatches(policies_[i].permissions, query) && anyMatches(policies_[i].principals, query)) {
      verdict.policy = i;
      break;
    }
  }
  switch (action_) {
    case Action::Allow:
      verdict.allowed = verdict.policy.has_value();
      break;
    case Action::Deny:
      verdict.allowed = !verdict.policy.has_value();
      break;
    case Action::Log:
      break;
  }
  return verdict;
}

}  // namespace sluice::filters::rbac
