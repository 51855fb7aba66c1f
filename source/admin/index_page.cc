#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include "source/admin/endpoint.h"

namespace sluice::admin {
namespace {

constexpr absl::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #1673a5; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h1 span { font-weight: normal; opacity: .6; font-size: .9rem; margin-left: .5rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .75rem; margin: 1.25rem 0 2rem; }
.facts div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.facts b { display: block; font-size: .75rem; font-weight: 600; opacity: .6; }
.facts .bad { border-color: var(--bad); color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
td { padding: .4rem .5rem; vertical-align: top; border-top: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
tr.option td { border: 0; padding-top: 0; font-size: .85rem; opacity: .85; }
tr.option td:first-child { text-align: right; }
form { display: inline; }
a, button.link { color: var(--accent); font: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-decoration: underline; }
button.do { font: inherit; padding: .1rem .6rem; border: 1px solid var(--line); border-radius: .3rem;
  background: var(--soft); cursor: pointer; }
</style>
</head>
<body>
)";

std::string escape(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

void appendGlance(const Glance& glance, std::string& out) {
  absl::StrAppend(&out, "<h1>Sluice<span>", escape(glance.version), "</span></h1>\n<div class=\"facts\">\n");
  const bool live = glance.state == "LIVE";
  absl::StrAppend(&out, "<div", live ? "" : " class=\"bad\"", "><b>State</b>", escape(glance.state), " for ",
                  escape(glance.uptime), "</div>\n");
  absl::StrAppend(&out, "<div><b>Node</b>", escape(glance.node), "</div>\n");
  for (const Glance::Fact& fact : glance.facts) {
    absl::StrAppend(&out, "<div", fact.bad ? " class=\"bad\"" : "", "><b>", fact.title, "</b>", escape(fact.text),
                    "</div>\n");
  }
  out += "</div>\n";
}

void appendParameter(const Parameter& parameter, const std::string& form, std::string& out) {
  const std::string id = absl::StrCat(form, "-", parameter.name);
  const std::string common = absl::StrCat(" name=\"", parameter.name, "\" id=\"", id, "\" form=\"", form, "\"");
  out += "<tr class=\"option\"><td>";
  switch (parameter.kind) {
    case Parameter::Kind::Text:
      absl::StrAppend(&out, "<input type=\"text\"", common, ">");
      break;
    case Parameter::Kind::Flag:
      absl::StrAppend(&out, "<input type=\"checkbox\"", common, ">");
      break;
    case Parameter::Kind::Choice:
      absl::StrAppend(&out, "<select", common, ">");
      for (absl::string_view choice : absl::StrSplit(parameter.choices, ", ")) {
        absl::StrAppend(&out, "<option>", choice, "</option>");
      }
      out += "</select>";
      break;
  }
  absl::StrAppend(&out, "</td><td><label for=\"", id, "\">", parameter.name, ": ", escape(parameter.help),
                  "</label></td></tr>\n");
}

void appendEndpoint(const Endpoint& endpoint, std::string& out) {
  const absl::string_view name = endpoint.path.substr(1);
  const std::string form = absl::StrReplaceAll(name, {{"/", "-"}});
  out += "<tr><td>";
  if (!endpoint.changes && endpoint.parameters.empty()) {
    absl::StrAppend(&out, "<a href=\"", name, "\">", name, "</a>");
  } else {
    absl::StrAppend(&out, "<form id=\"", form, "\" action=\"", name, "\" method=\"", endpoint.changes ? "post" : "get",
                    "\"><button class=\"", endpoint.changes ? "do" : "link", "\">", name, "</button></form>");
  }
  absl::StrAppend(&out, "</td><td>", escape(endpoint.help), "</td></tr>\n");
  for (const Parameter& parameter : endpoint.parameters) {
    appendParameter(parameter, form, out);
  }
}

}  // namespace

std::string indexPage(absl::Span<const Endpoint> endpoints, const Glance& glance) {
  std::string page(kHead);
  appendGlance(glance, page);
  page += "<table>\n";
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.path != "/") {
      appendEndpoint(endpoint, page);
    }
  }
  page += "</table>\n</body>\n</html>\n";
  return page;
}

}  // namespace sluice::admin
