#include "source/filters/http/request_rewrite.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include <re2/re2.h>

#include "source/access_log/operators.h"
#include "source/http/header_mutations.h"

namespace sluice::filters {
namespace {

using http::HeaderId;

/** From the most specific level to the least, as they apply; the other way round where the table says so. */
template <class Apply>
void forEachLevel(const http::Route& route, const http::WeightedCluster* weighted, Apply&& apply) {
  const http::VirtualHost* const host = route.virtual_host;
  std::array<const http::RouteLevel*, 4> levels = {weighted, &route, host, host == nullptr ? nullptr : host->table};
  if (host != nullptr && host->most_specific_header_mutations_wins) {
    std::reverse(levels.begin(), levels.end());
  }
  for (const http::RouteLevel* level : levels) {
    if (level != nullptr) {
      apply(*level);
    }
  }
}

access_log::LogContext contextOf(const http::StreamInfo& info) {
  return {.info = info, .type = access_log::LogType::NotSet, .http = &info};
}

/** Where the path ends and its query or fragment begins. */
size_t pathLength(absl::string_view path) { return std::min(path.size(), path.find_first_of("?#")); }

absl::string_view joined(absl::string_view first, absl::string_view second, base::Arena& arena) {
  char* const text = static_cast<char*>(arena.allocate(first.size() + second.size() + 1, 1));
  std::copy(second.begin(), second.end(), std::copy(first.begin(), first.end(), text));
  return {text, first.size() + second.size()};
}

std::string replaceAll(const http::RegexRewrite& rewrite, absl::string_view text) {
  std::string out(text);
  RE2::GlobalReplace(&out, *rewrite.regex, rewrite.substitution);
  return out;
}

}  // namespace

void rewriteHost(http::HeaderMap& request, absl::string_view host, bool append_x_forwarded_host,
                 bool insert_original_host) {
  const absl::string_view old = request.get(HeaderId::Authority);
  if (append_x_forwarded_host && !old.empty() && old != host) {
    request.append(HeaderId::ForwardedHost, old);
  }
  if (insert_original_host) {
    request.set(HeaderId::EnvoyOriginalHost, old);
  }
  request.set(HeaderId::Authority, host);
}

absl::string_view rewritePath(const http::Route& route, const http::PathRewrite& rewrite, absl::string_view path,
                              base::Arena& arena) {
  const size_t length = pathLength(path);
  const absl::string_view rest = path.substr(length);
  if (rewrite.regex.has_value()) {
    return arena.copy(absl::StrCat(replaceAll(*rewrite.regex, path.substr(0, length)), rest));
  }
  if (rewrite.prefix.has_value()) {
    const size_t matched = std::min(route.matched_prefix.value_or(length), length);
    return joined(*rewrite.prefix, path.substr(matched), arena);
  }
  if (rewrite.path.has_value()) {
    return arena.copy(absl::StrCat(*rewrite.path, rest));
  }
  return path;
}

void rewriteRequest(const http::Route& route, const http::WeightedCluster* weighted, http::HeaderMap& request,
                    const http::StreamInfo& info, bool insert_originals) {
  const http::ForwardAction& action = *route.forward;
  forEachLevel(route, weighted, [&](const http::RouteLevel& level) {
    if (level.request_headers != nullptr) {
      level.request_headers->apply(request, contextOf(info));
    }
  });

  if (weighted != nullptr && weighted->host_rewrite.has_value()) {
    request.set(HeaderId::Authority, *weighted->host_rewrite);
  } else if (action.host_rewrite.has_value()) {
    rewriteHost(request, *action.host_rewrite, action.append_x_forwarded_host, insert_originals);
  } else if (!action.host_rewrite_header.empty()) {
    const absl::string_view host = request.get(action.host_rewrite_header);
    if (!host.empty()) {
      rewriteHost(request, host, action.append_x_forwarded_host, insert_originals);
    }
  } else if (action.host_rewrite_path_regex.has_value()) {
    const absl::string_view path = request.get(HeaderId::Path);
    const std::string host = replaceAll(*action.host_rewrite_path_regex, path.substr(0, pathLength(path)));
    if (!host.empty()) {
      rewriteHost(request, host, action.append_x_forwarded_host, insert_originals);
    }
  }

  const absl::string_view path = request.get(HeaderId::Path);
  if (path.data() != nullptr) {
    const absl::string_view rewritten = rewritePath(route, action.path_rewrite, path, request.arena());
    if (rewritten.data() != path.data()) {
      if (insert_originals) {
        request.set(HeaderId::EnvoyOriginalPath, path);
      }
      request.setView(HeaderId::Path, rewritten);
    }
  }
}

void rewriteResponse(const http::Route& route, const http::WeightedCluster* weighted, http::HeaderMap& response,
                     const http::StreamInfo& info) {
  forEachLevel(route, weighted, [&](const http::RouteLevel& level) {
    if (level.response_headers != nullptr) {
      level.response_headers->apply(response, contextOf(info));
    }
  });
}

std::string redirectLocation(const http::Route& route, const http::HeaderMap& request) {
  const http::RedirectAction& redirect = *route.redirect;
  absl::string_view scheme = request.get(HeaderId::ForwardedProto);
  if (scheme.empty()) {
    scheme = request.get(HeaderId::Scheme);
  }
  const absl::string_view old_scheme = scheme;
  if (redirect.scheme.has_value()) {
    scheme = *redirect.scheme;
  } else if (redirect.https) {
    scheme = "https";
  }

  absl::string_view host = request.get(HeaderId::Authority);
  std::string port;
  if (redirect.port.has_value()) {
    port = absl::StrCat(":", *redirect.port);
  }
  // An IPv6 literal's own colons are inside its brackets.
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == absl::string_view::npos ? 0 : bracket);
  const absl::string_view old_port = colon == absl::string_view::npos ? absl::string_view() : host.substr(colon + 1);
  const bool default_port_goes = scheme != old_scheme && ((old_scheme == "http" && old_port == "80") ||
                                                          (old_scheme == "https" && old_port == "443"));
  if (redirect.host.has_value()) {
    host = *redirect.host;
  } else if (colon != absl::string_view::npos && (!port.empty() || default_port_goes)) {
    host = host.substr(0, colon);
  }

  const absl::string_view old_path = request.get(HeaderId::Path);
  const size_t length = std::min(old_path.size(), old_path.find('?'));
  const absl::string_view query = redirect.strip_query ? absl::string_view() : old_path.substr(length);
  std::string path;
  if (redirect.path.path.has_value()) {
    path = *redirect.path.path;
    if (!absl::StrContains(path, '?')) {
      absl::StrAppend(&path, query);
    }
  } else {
    path = std::string(rewritePath(route, redirect.path, old_path.substr(0, length), request.arena()));
    absl::StrAppend(&path, query);
  }
  return absl::StrCat(scheme, "://", host, port, path);
}

}  // namespace sluice::filters
