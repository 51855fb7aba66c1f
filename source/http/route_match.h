#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/http/header_matcher.h"
#include "source/http/route.h"
#include "source/matcher/metadata_matcher.h"
#include "source/runtime/snapshot.h"

namespace sluice::http {

/** What a route wants of a path. */
struct PathMatch {
  enum class Kind : uint8_t {
    Prefix,
    /** The path itself, or what goes on with a slash. */
    SeparatedPrefix,
    Exact,
    /** All of the path. */
    Regex,
    /** CONNECT, whose requests have no path. */
    Connect,
  };

  Kind kind = Kind::Prefix;
  /** `text` is in lower case then. */
  bool ignore_case = false;
  std::string text;
  std::shared_ptr<const re2::RE2> regex;
};

/** What few routes want beside a path; all of it must hold. */
struct RouteConditions {
  std::optional<runtime::Fraction> fraction;
  std::vector<HeaderMatcher> headers;
  std::vector<QueryParameterMatcher> query;
  bool grpc = false;
  std::optional<bool> certificate_presented;
  std::optional<bool> certificate_validated;
  std::vector<matcher::MetadataMatcher> metadata;
  std::vector<matcher::FilterStateMatcher> filter_state;

  bool hold(const RouteQuery& query) const;
};

/** The path of a query as routes see it: worked out once for all of them. */
struct QueryPath {
  /** Without query and fragment. */
  absl::string_view text;
  /** CONNECT has none. */
  bool present = false;
  bool connect = false;

  static QueryPath of(const HeaderMap& headers, bool ignore_path_parameters, base::Arena& arena);
};

struct RouteMatch {
  PathMatch path;
  /** Null when there are none. */
  std::unique_ptr<const RouteConditions> conditions;

  bool matches(const QueryPath& query_path, const RouteQuery& query) const;
};

/** The first virtual cluster of the host that the request belongs to; null when it is none of them. */
const VirtualCluster* findVirtualCluster(const VirtualHost& host, const HeaderMap& request);

}  // namespace sluice::http
