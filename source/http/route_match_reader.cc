#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

#include "source/http/route_reader.h"
#include "source/runtime/values.h"

namespace sluice::http {

namespace api = envoy::config::route::v3;

std::vector<std::shared_ptr<const HeaderMatcher>> RouteReader::readHeaderMatchers(
    const List<api::HeaderMatcher>& protos, const FieldPath& path) {
  std::vector<std::shared_ptr<const HeaderMatcher>> matchers;
  for (int i = 0; i < protos.size(); ++i) {
    matchers.push_back(
        std::make_shared<const HeaderMatcher>(HeaderMatcher::create(protos[i], limit_, path.index(i), violations)));
  }
  return matchers;
}

RouteMatch RouteReader::readMatch(const api::RouteMatch& proto, const PathStep& step) {
  RouteMatch match;
  const bool ignore_case = proto.has_case_sensitive() && !proto.case_sensitive().value();
  const auto text = [&](PathMatch::Kind kind, const std::string& value) {
    match.path.kind = kind;
    match.path.ignore_case = ignore_case;
    match.path.text = ignore_case ? absl::AsciiStrToLower(value) : value;
  };
  switch (proto.path_specifier_case()) {
    case api::RouteMatch::kPrefix:
      text(PathMatch::Kind::Prefix, proto.prefix());
      break;
    case api::RouteMatch::kPath:
      text(PathMatch::Kind::Exact, proto.path());
      break;
    case api::RouteMatch::kPathSeparatedPrefix:
      text(PathMatch::Kind::SeparatedPrefix, proto.path_separated_prefix());
      break;
    case api::RouteMatch::kSafeRegex:
      match.path.kind = PathMatch::Kind::Regex;
      match.path.regex =
          matcher::toRegex(proto.safe_regex(), limit_, PathStep(step, "safe_regex").toFieldPath(), violations);
      break;
    case api::RouteMatch::kConnectMatcher:
      match.path.kind = PathMatch::Kind::Connect;
      break;
    case api::RouteMatch::kPathMatchPolicy:
    case api::RouteMatch::PATH_SPECIFIER_NOT_SET:
      violations.add(step.toString(), "needs a prefix, path, safe_regex, connect_matcher or path_separated_prefix");
      break;
  }
  if (!proto.has_runtime_fraction() && proto.headers().empty() && proto.query_parameters().empty() &&
      !proto.has_grpc() && !proto.has_tls_context() && proto.dynamic_metadata().empty() &&
      proto.filter_state().empty()) {
    return match;
  }
  const FieldPath path = step.toFieldPath();
  auto conditions = std::make_unique<RouteConditions>();
  if (proto.has_runtime_fraction()) {
    conditions->fraction = runtime::resolve(proto.runtime_fraction(), *services_.runtime);
  }
  const FieldPath headers = path.field("headers");
  for (int i = 0; i < proto.headers_size(); ++i) {
    conditions->headers.push_back(HeaderMatcher::create(proto.headers(i), limit_, headers.index(i), violations));
  }
  const FieldPath query = path.field("query_parameters");
  for (int i = 0; i < proto.query_parameters_size(); ++i) {
    conditions->query.push_back(
        QueryParameterMatcher::create(proto.query_parameters(i), limit_, query.index(i), violations));
  }
  conditions->grpc = proto.has_grpc();
  if (proto.tls_context().has_presented()) {
    conditions->certificate_presented = proto.tls_context().presented().value();
  }
  if (proto.tls_context().has_validated()) {
    conditions->certificate_validated = proto.tls_context().validated().value();
  }
  const FieldPath metadata = path.field("dynamic_metadata");
  for (int i = 0; i < proto.dynamic_metadata_size(); ++i) {
    conditions->metadata.push_back(
        matcher::toMetadataMatcher(proto.dynamic_metadata(i), limit_, metadata.index(i), violations));
  }
  const FieldPath filter_state = path.field("filter_state");
  for (int i = 0; i < proto.filter_state_size(); ++i) {
    conditions->filter_state.push_back(
        matcher::toFilterStateMatcher(proto.filter_state(i), limit_, filter_state.index(i), violations));
  }
  match.conditions = std::move(conditions);
  return match;
}

}  // namespace sluice::http
