#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/filters/http/router.h"

// Redirects of the upstream that the router follows itself (internal_redirect_policy).

namespace sluice::filters {
namespace {

using http::HeaderId;

struct Url {
  absl::string_view scheme;
  absl::string_view host;
  /** With its query, "/" at least. */
  absl::string_view path;
};

/** Absolute http and https URLs; false for any other text. */
bool parse(absl::string_view text, Url& out) {
  const size_t scheme = text.find("://");
  if (scheme == absl::string_view::npos) {
    return false;
  }
  out.scheme = text.substr(0, scheme);
  if (!absl::EqualsIgnoreCase(out.scheme, "http") && !absl::EqualsIgnoreCase(out.scheme, "https")) {
    return false;
  }
  text.remove_prefix(scheme + 3);
  const size_t host = std::min(text.size(), text.find_first_of("/?#"));
  out.host = text.substr(0, host);
  const size_t at = out.host.rfind('@');
  if (out.host.empty() || at != absl::string_view::npos) {
    return false;
  }
  out.path = text.substr(host);
  out.path = out.path.substr(0, out.path.find('#'));
  return true;
}

/** How many redirects this request has followed, and over which routes: an object of its filter state. */
class RedirectHistory : public net::FilterState::Object {
 public:
  static constexpr absl::string_view kName = "sluice.internal_redirects";
  uint32_t count = 0;
  std::vector<std::string> routes;
  std::string serialize() const override { return absl::StrCat(count); }
};

}  // namespace

bool Router::redirectInternally(const http::HeaderMap& response, uint32_t status) {
  const http::InternalRedirectPolicy& policy = *route_->forward->internal_redirect;
  const bool code_taken = policy.response_codes.empty()
                              ? status == 302
                              : std::find(policy.response_codes.begin(), policy.response_codes.end(), status) !=
                                    policy.response_codes.end();
  const absl::string_view location = response.get(HeaderId::Location);
  // A body that is not here whole cannot be sent again.
  if (!code_taken || !end_stream_ || location.data() == nullptr ||
      (!buffering_ && callbacks_->decodingBuffer() != nullptr)) {
    if (code_taken) {
      cluster().stats.upstream_internal_redirect_failed_total.inc();
    }
    return false;
  }
  const auto refuse = [&](const stats::Counter& counter) {
    counter.inc();
    cluster().stats.upstream_internal_redirect_failed_total.inc();
    return false;
  };

  const absl::string_view old_scheme = headers_->get(HeaderId::Scheme);
  const absl::string_view old_host = headers_->get(HeaderId::Authority);
  const absl::string_view old_path = headers_->get(HeaderId::Path);
  Url url;
  if (!parse(location, url)) {
    return refuse(stats().passthrough_internal_redirect_bad_location);
  }
  const bool to_https = absl::EqualsIgnoreCase(url.scheme, "https");
  const bool downstream_tls = headers_->get(HeaderId::ForwardedProto) == "https";
  if (to_https != downstream_tls && !policy.allow_cross_scheme) {
    return refuse(stats().passthrough_internal_redirect_unsafe_scheme);
  }

  http::StreamInfo& info = callbacks_->streamInfo();
  net::FilterState& state = info.makeExtras().filter_state;
  const auto* const before = static_cast<const RedirectHistory*>(state.get(RedirectHistory::kName));
  if (before != nullptr && before->count >= policy.max_redirects) {
    return refuse(stats().passthrough_internal_redirect_too_many_redirects);
  }

  base::Arena& arena = callbacks_->arena();
  const absl::string_view saved_host = arena.copy(old_host);
  const absl::string_view saved_path = arena.copy(old_path);
  const absl::string_view saved_scheme = arena.copy(old_scheme);
  const http::Route* const old_route = route_;
  headers_->set(HeaderId::Scheme, absl::AsciiStrToLower(url.scheme));
  headers_->set(HeaderId::Authority, url.host);
  headers_->set(HeaderId::Path, url.path.empty()          ? std::string("/")
                                : url.path.front() == '?' ? absl::StrCat("/", url.path)
                                                          : std::string(url.path));
  callbacks_->clearRouteCache();
  const http::Route* const next = callbacks_->route();
  const auto restore = [&] {
    headers_->setView(HeaderId::Scheme, saved_scheme);
    headers_->setView(HeaderId::Authority, saved_host);
    headers_->setView(HeaderId::Path, saved_path);
    callbacks_->setRoute(old_route);
  };
  if (next == nullptr) {
    restore();
    return refuse(stats().passthrough_internal_redirect_no_route);
  }
  const bool allowed =
      (!policy.allowed_routes.has_value() || std::find(policy.allowed_routes->begin(), policy.allowed_routes->end(),
                                                       next->name) != policy.allowed_routes->end()) &&
      (!policy.previous_routes || before == nullptr ||
       std::find(before->routes.begin(), before->routes.end(), next->name) == before->routes.end()) &&
      // Never from what came in the clear to what is to be secret.
      (!policy.safe_cross_scheme || downstream_tls || !to_https);
  if (!allowed) {
    restore();
    return refuse(stats().passthrough_internal_redirect_predicate);
  }

  auto history = std::make_shared<RedirectHistory>();
  history->count = before == nullptr ? 1 : before->count + 1;
  if (before != nullptr) {
    history->routes = before->routes;
  }
  history->routes.push_back(next->name);
  state.set(RedirectHistory::kName, history);
  for (const std::string& name : policy.response_headers_to_copy) {
    const absl::string_view value = response.get(name);
    if (value.data() != nullptr) {
      headers_->set(name, value);
    } else {
      headers_->remove(name);
    }
  }
  headers_->set(HeaderId::EnvoyOriginalUrl, absl::StrCat(saved_scheme, "://", saved_host, saved_path));
  if (status == 303) {
    const absl::string_view method = headers_->get(HeaderId::Method);
    if (method != "GET" && method != "HEAD") {
      headers_->set(HeaderId::Method, "GET");
      headers_->remove(HeaderId::ContentLength);
      headers_->remove(HeaderId::TransferEncoding);
      if (net::Buffer* const body = callbacks_->decodingBuffer(); body != nullptr) {
        body->clear();
      }
    }
  }
  const cluster::LocalInfo pinned = cluster_info_;
  // Logged with the redirect's status.
  info.response_code = status;
  if (!callbacks_->recreateStream()) {
    restore();
    return refuse(stats().passthrough_internal_redirect_bad_location);
  }
  (*pinned)->stats.upstream_internal_redirect_succeeded_total.inc();
  return true;
}

}  // namespace sluice::filters
