#include "source/http/route_match.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "envoy/config/core/v3/base.pb.h"

#include "source/matcher/string_matcher.h"

namespace sluice::http {
namespace {

bool isGrpc(const HeaderMap& headers) {
  constexpr absl::string_view kType = "application/grpc";
  const absl::string_view type = headers.get(HeaderId::ContentType);
  return absl::StartsWith(type, kType) && (type.size() == kType.size() || type[kType.size()] == '+');
}

/** "/a;x=1/b" is "/a/b". */
absl::string_view withoutParameters(absl::string_view path, base::Arena& arena) {
  if (!absl::StrContains(path, ';')) {
    return path;
  }
  char* const text = static_cast<char*>(arena.allocate(path.size(), 1));
  char* end = text;
  bool in_parameters = false;
  for (const char c : path) {
    in_parameters = c == ';' || (in_parameters && c != '/');
    if (!in_parameters) {
      *end++ = c;
    }
  }
  return {text, static_cast<size_t>(end - text)};
}

bool prefixFits(const PathMatch& wanted, absl::string_view path) {
  return wanted.ignore_case ? absl::StartsWithIgnoreCase(path, wanted.text) : absl::StartsWith(path, wanted.text);
}

bool pathFits(const PathMatch& wanted, const QueryPath& path) {
  if (wanted.kind == PathMatch::Kind::Connect) {
    return path.connect;
  }
  if (!path.present) {
    return false;
  }
  switch (wanted.kind) {
    case PathMatch::Kind::Prefix:
      return prefixFits(wanted, path.text);
    case PathMatch::Kind::SeparatedPrefix:
      return prefixFits(wanted, path.text) &&
             (path.text.size() == wanted.text.size() || path.text[wanted.text.size()] == '/');
    case PathMatch::Kind::Exact:
      return wanted.ignore_case ? absl::EqualsIgnoreCase(path.text, wanted.text) : path.text == wanted.text;
    default:
      return matcher::fullMatch(*wanted.regex, path.text);
  }
}

bool filterStateFits(const matcher::FilterStateMatcher& wanted, const StreamInfo& info) {
  const net::FilterState::Object* const object = info.filterState(wanted.key);
  return object != nullptr && wanted.matches(object->serialize());
}

}  // namespace

QueryPath QueryPath::of(const HeaderMap& headers, bool ignore_path_parameters, base::Arena& arena) {
  QueryPath path;
  const absl::string_view whole = headers.get(HeaderId::Path);
  path.present = whole.data() != nullptr;
  path.connect = headers.get(HeaderId::Method) == "CONNECT" && !headers.has(HeaderId::PseudoProtocol);
  path.text = matcher::pathAlone(whole);
  if (ignore_path_parameters) {
    path.text = withoutParameters(path.text, arena);
  }
  return path;
}

bool RouteConditions::hold(const RouteQuery& asked) const {
  const HeaderMap& request = asked.headers;
  if (fraction.has_value() && !fraction->contains(asked.random)) {
    return false;
  }
  if (grpc && !isGrpc(request)) {
    return false;
  }
  const net::TlsInfo* const tls = asked.info.downstream_tls;
  if (certificate_presented.has_value() &&
      *certificate_presented != (tls != nullptr && tls->peerPresentedCertificate())) {
    return false;
  }
  if (certificate_validated.has_value() &&
      *certificate_validated != (tls != nullptr && tls->peerCertificateValidated())) {
    return false;
  }
  const auto all = [](const auto& list, auto&& fits) { return std::all_of(list.begin(), list.end(), fits); };
  const envoy::config::core::v3::Metadata* const dynamic_metadata =
      asked.info.extras == nullptr ? nullptr : asked.info.extras->metadata.get();
  return all(headers, [&](const HeaderMatcher& matcher) { return matcher.matches(request); }) &&
         all(query,
             [&](const QueryParameterMatcher& matcher) { return matcher.matches(request.get(HeaderId::Path)); }) &&
         all(metadata, [&](const matcher::MetadataMatcher& matcher) { return matcher.matches(dynamic_metadata); }) &&
         all(filter_state,
             [&](const matcher::FilterStateMatcher& matcher) { return filterStateFits(matcher, asked.info); });
}

bool RouteMatch::matches(const QueryPath& query_path, const RouteQuery& query) const {
  return pathFits(path, query_path) && (conditions == nullptr || conditions->hold(query));
}

const VirtualCluster* findVirtualCluster(const VirtualHost& host, const HeaderMap& request) {
  for (const VirtualCluster& cluster : host.virtual_clusters) {
    if (std::all_of(cluster.headers.begin(), cluster.headers.end(),
                    [&](const auto& matcher) { return matcher->matches(request); })) {
      return &cluster;
    }
  }
  return nullptr;
}

}  // namespace sluice::http
