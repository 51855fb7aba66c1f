#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::admin {

/** A request as the pages see it. A plain value. */
struct Request {
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  /** "GET". */
  std::string method;
  bool post = false;
  /** Without the query, as it came. */
  std::string path;
  /** Of the query or, for a POST without one, of the form in its body; decoded, in order. */
  Parameters parameters;

  /** The first of that name, or null. */
  const std::string* find(absl::string_view name) const;
  bool has(absl::string_view name) const { return find(name) != nullptr; }
};

/** "a=1&b" as pairs; escapes decoded, those that are broken left as they are. */
Request::Parameters parseQuery(absl::string_view query);
/** The same for application/x-www-form-urlencoded, where '+' stands for a space. */
Request::Parameters parseForm(absl::string_view form);

}  // namespace sluice::admin
