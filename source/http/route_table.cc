#include "source/http/route_table.h"

#include <algorithm>
#include <functional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice::http {
namespace {

/** Fewer are walked faster than looked up. */
constexpr size_t kIndexedFrom = 17;

/** "a:80" is "a", "[::1]:80" is "[::1]"; an end that is no port stays. */
absl::string_view withoutPort(absl::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == absl::string_view::npos) {
    return authority;
  }
  const size_t bracket = authority.rfind(']');
  if (bracket != absl::string_view::npos && bracket > colon) {
    return authority;
  }
  uint32_t port = 0;
  return absl::SimpleAtoi(authority.substr(colon + 1), &port) && port <= 65535 ? authority.substr(0, colon) : authority;
}

}  // namespace

void RoutedHost::seal() {
  if (routes.size() >= kIndexedFrom) {
    index = std::make_unique<const PathIndex>(matches);
  }
}

RoutedHost& RouteTable::addHost() {
  hosts_.push_back(std::make_unique<RoutedHost>());
  return *hosts_.back();
}

absl::Status RouteTable::addDomain(absl::string_view domain, const RoutedHost& host) {
  const std::string lower = absl::AsciiStrToLower(domain);
  const auto duplicate = [domain] {
    return absl::InvalidArgumentError(absl::StrCat("the domain '", domain, "' is there twice (duplicate)"));
  };
  if (lower == "*") {
    if (default_ != nullptr) {
      return duplicate();
    }
    default_ = &host;
    return absl::OkStatus();
  }
  bool fresh = false;
  if (absl::StartsWith(lower, "*")) {
    fresh = suffixes_.hosts.emplace(lower.substr(1), &host).second;
  } else if (absl::EndsWith(lower, "*")) {
    fresh = prefixes_.hosts.emplace(lower.substr(0, lower.size() - 1), &host).second;
  } else {
    fresh = exact_.emplace(lower, &host).second;
  }
  return fresh ? absl::OkStatus() : duplicate();
}

void RouteTable::Wildcards::seal() {
  for (const auto& [text, host] : hosts) {
    lengths.push_back(text.size());
  }
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  lengths.shrink_to_fit();
}

void RouteTable::seal() {
  suffixes_.seal();
  prefixes_.seal();
}

const RoutedHost* RouteTable::findIn(const Wildcards& wildcards, absl::string_view authority, bool suffix) const {
  for (const size_t length : wildcards.lengths) {
    // The wildcard stands for one character at least.
    if (length >= authority.size()) {
      continue;
    }
    const auto found =
        wildcards.hosts.find(suffix ? authority.substr(authority.size() - length) : authority.substr(0, length));
    if (found != wildcards.hosts.end()) {
      return found->second;
    }
  }
  return nullptr;
}

const VirtualHost* RouteTable::findHost(absl::string_view authority) const {
  if (exact_.empty() && suffixes_.lengths.empty() && prefixes_.lengths.empty()) {
    return default_;
  }
  if (authority.empty()) {
    return nullptr;
  }
  if (ignore_port_in_host_matching) {
    authority = withoutPort(authority);
  }
  absl::InlinedVector<char, 256> lower;
  if (std::any_of(authority.begin(), authority.end(),
                  [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); })) {
    lower.assign(authority.begin(), authority.end());
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
    authority = absl::string_view(lower.data(), lower.size());
  }
  if (const auto found = exact_.find(authority); found != exact_.end()) {
    return found->second;
  }
  if (const RoutedHost* const found = findIn(suffixes_, authority, true); found != nullptr) {
    return found;
  }
  if (const RoutedHost* const found = findIn(prefixes_, authority, false); found != nullptr) {
    return found;
  }
  return default_;
}

namespace {

/** Whether the virtual host takes no such request in the clear (require_tls). */
bool toBeEncrypted(const VirtualHost& host, const HeaderMap& request) {
  if (host.require_tls == VirtualHost::TlsRequirement::None || request.get(HeaderId::ForwardedProto) == "https") {
    return false;
  }
  return host.require_tls == VirtualHost::TlsRequirement::All || request.get(HeaderId::EnvoyInternalRequest) != "true";
}

/** Of no table: the same URL with https. */
const Route& redirectToTls() {
  static const Route* const route = [] {
    auto* const made = new Route();
    auto redirect = std::make_unique<RedirectAction>();
    redirect->https = true;
    made->kind = Route::Kind::Redirect;
    made->redirect = std::move(redirect);
    return made;
  }();
  return *route;
}

}  // namespace

const VirtualHost* RouteTable::findHost(const HeaderMap& request) const {
  return findHost(vhost_header.empty() ? request.get(HeaderId::Authority) : request.get(vhost_header));
}

const Route* RouteTable::find(const RouteQuery& query) const {
  const VirtualHost* const host = findHost(query.headers);
  return host == nullptr ? nullptr : find(*host, query);
}

const Route* RouteTable::find(const VirtualHost& virtual_host, const RouteQuery& query) const {
  const auto& host = static_cast<const RoutedHost&>(virtual_host);
  if (toBeEncrypted(host, query.headers)) {
    return &redirectToTls();
  }
  const QueryPath path = QueryPath::of(query.headers, ignore_path_parameters_in_path_matching, query.headers.arena());
  if (host.index != nullptr) {
    const uint32_t found =
        host.index->find(path.text, [&](uint32_t route) { return host.matches[route].matches(path, query); });
    return found == PathIndex::kNone ? nullptr : &host.routes[found];
  }
  for (size_t i = 0; i < host.matches.size(); ++i) {
    if (host.matches[i].matches(path, query)) {
      return &host.routes[i];
    }
  }
  return nullptr;
}

}  // namespace sluice::http
