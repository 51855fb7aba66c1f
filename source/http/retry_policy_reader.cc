#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb.h"
#include "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.pb.h"

#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/http/route_reader.h"
#include "source/runtime/values.h"

namespace sluice::http {

namespace api = envoy::config::route::v3;
using std::chrono::milliseconds;

namespace {

milliseconds toMs(const google::protobuf::Duration& duration) { return milliseconds(config::toMilliseconds(duration)); }

}  // namespace

std::shared_ptr<const RetryPolicy> RouteReader::readRetry(const api::RetryPolicy& proto, const FieldPath& path) {
  auto policy = std::make_shared<RetryPolicy>();
  // Words of both lists may be mixed here; what neither knows has no effect, as in Envoy.
  policy->on = retry_on::parse(proto.retry_on(), false, nullptr) | retry_on::parse(proto.retry_on(), true, nullptr);
  if (proto.has_num_retries()) {
    policy->num_retries = proto.num_retries().value();
  }
  if (proto.has_per_try_timeout() && toMs(proto.per_try_timeout()).count() > 0) {
    policy->per_try_timeout = toMs(proto.per_try_timeout());
  }
  if (proto.has_per_try_idle_timeout() && toMs(proto.per_try_idle_timeout()).count() > 0) {
    policy->per_try_idle_timeout = toMs(proto.per_try_idle_timeout());
  }
  if (proto.has_retry_back_off()) {
    // Less than a millisecond is one.
    policy->back_off.base = std::max(milliseconds(1), toMs(proto.retry_back_off().base_interval()));
    policy->back_off.max = proto.retry_back_off().has_max_interval()
                               ? std::max(milliseconds(1), toMs(proto.retry_back_off().max_interval()))
                               : policy->back_off.base * 10;
    if (policy->back_off.max < policy->back_off.base) {
      violations.add(path.field("retry_back_off").field("max_interval"), "is less than base_interval");
    }
  }
  if (proto.has_rate_limited_retry_back_off()) {
    for (const auto& header : proto.rate_limited_retry_back_off().reset_headers()) {
      policy->reset_headers.push_back(
          {absl::AsciiStrToLower(header.name()), header.format() == api::RetryPolicy::UNIX_TIMESTAMP});
    }
    if (proto.rate_limited_retry_back_off().has_max_interval()) {
      policy->rate_limited_max = toMs(proto.rate_limited_retry_back_off().max_interval());
    }
  }
  policy->retriable_status_codes.assign(proto.retriable_status_codes().begin(), proto.retriable_status_codes().end());
  policy->retriable_headers = readHeaderMatchers(proto.retriable_headers(), path.field("retriable_headers"));
  policy->retriable_request_headers =
      readHeaderMatchers(proto.retriable_request_headers(), path.field("retriable_request_headers"));
  const FieldPath predicates = path.field("retry_host_predicate");
  for (int i = 0; i < proto.retry_host_predicate_size(); ++i) {
    const google::protobuf::Any& any = proto.retry_host_predicate(i).typed_config();
    const FieldPath any_path = predicates.index(i).field("typed_config");
    const std::string type = config::extensionTypeName(any);
    if (type == "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate") {
      policy->avoid_previous_hosts = true;
    } else if (type == "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate") {
      policy->omit_canary_hosts = true;
    } else if (type == "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig") {
      envoy::extensions::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig omit;
      if (config::unpackTo(any, omit, any_path, violations)) {
        policy->omit_host_metadata = std::make_shared<const envoy::config::core::v3::Metadata>(omit.metadata_match());
      }
    } else {
      violations.add(any_path, absl::StrCat("there is no retry host predicate of the type '", type, "'"));
    }
  }
  if (proto.host_selection_retry_max_attempts() > 0) {
    policy->host_selection_retry_max_attempts =
        static_cast<uint32_t>(std::min<int64_t>(proto.host_selection_retry_max_attempts(), UINT32_MAX));
  }
  return policy;
}

HedgePolicy RouteReader::readHedge(const api::HedgePolicy& proto) {
  HedgePolicy policy;
  if (proto.has_initial_requests()) {
    policy.initial_requests = proto.initial_requests().value();
  }
  const runtime::Fraction chance = runtime::toFraction(proto.additional_request_chance());
  policy.additional_request_chance =
      static_cast<uint32_t>(uint64_t{chance.numerator} * (1'000'000 / chance.denominator));
  policy.hedge_on_per_try_timeout = proto.hedge_on_per_try_timeout();
  return policy;
}

InternalRedirectPolicy RouteReader::readInternalRedirect(const api::InternalRedirectPolicy& proto,
                                                         const FieldPath& path) {
  InternalRedirectPolicy policy;
  if (proto.has_max_internal_redirects()) {
    policy.max_redirects = proto.max_internal_redirects().value();
  }
  for (const uint32_t code : proto.redirect_response_codes()) {
    // Others are no redirects, and pass as they are.
    if (code == 301 || code == 302 || code == 303 || code == 307 || code == 308) {
      policy.response_codes.push_back(code);
    }
  }
  if (proto.redirect_response_codes().empty()) {
    policy.response_codes.push_back(302);
  }
  policy.allow_cross_scheme = proto.allow_cross_scheme_redirect();
  const FieldPath headers = path.field("response_headers_to_copy");
  for (int i = 0; i < proto.response_headers_to_copy_size(); ++i) {
    std::string name = absl::AsciiStrToLower(proto.response_headers_to_copy(i));
    if (name.empty() || name[0] == ':' || name == "host") {
      violations.add(headers.index(i), ":-prefixed or host headers may not be copied");
    }
    policy.response_headers_to_copy.push_back(std::move(name));
  }
  const FieldPath predicates = path.field("predicates");
  for (int i = 0; i < proto.predicates_size(); ++i) {
    const google::protobuf::Any& any = proto.predicates(i).typed_config();
    const FieldPath any_path = predicates.index(i).field("typed_config");
    const std::string type = config::extensionTypeName(any);
    if (type == "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig") {
      policy.previous_routes = true;
    } else if (type == "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig") {
      policy.safe_cross_scheme = true;
    } else if (type == "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig") {
      envoy::extensions::internal_redirect::allow_listed_routes::v3::AllowListedRoutesConfig allowed;
      if (config::unpackTo(any, allowed, any_path, violations)) {
        policy.allowed_routes.emplace(allowed.allowed_route_names().begin(), allowed.allowed_route_names().end());
      }
    } else {
      violations.add(any_path, absl::StrCat("there is no internal redirect predicate of the type '", type, "'"));
    }
  }
  return policy;
}

}  // namespace sluice::http
