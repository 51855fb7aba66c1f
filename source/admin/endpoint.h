#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace sluice::admin {

class Exchange;
class Pages;

/** A parameter of an endpoint, for /help and the forms of the index page. */
struct Parameter {
  absl::string_view name;
  absl::string_view help;
  enum class Kind { Text, Flag, Choice };
  Kind kind = Kind::Text;
  /** Of a choice: what may be given, with ", " between. */
  absl::string_view choices = {};
};

/** One row of the table of admin pages. */
struct Endpoint {
  absl::string_view path;
  absl::string_view help;
  /** Changes something, so it takes POST alone. */
  bool changes = false;
  absl::Span<const Parameter> parameters;
  void (Pages::*answer)(Exchange&) = nullptr;
};

/** All endpoints with their parameters, a line each, as Envoy's /help. */
std::string helpText(absl::Span<const Endpoint> endpoints);

/** What the index page shows of the server at a glance. */
struct Glance {
  std::string version;
  std::string state;
  std::string uptime;
  std::string node;
  struct Fact {
    absl::string_view title;
    std::string text;
    bool bad = false;
  };
  std::vector<Fact> facts;
};

/** The page at "/". */
std::string indexPage(absl::Span<const Endpoint> endpoints, const Glance& glance);

}  // namespace sluice::admin
