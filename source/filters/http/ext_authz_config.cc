#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"

#include "source/filters/http/ext_authz.h"
#include "source/filters/http/service_filters.h"
#include "source/matcher/config.h"
#include "source/runtime/values.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::http::ext_authz::v3::ExtAuthz;
using PerRouteProto = envoy::extensions::filters::http::ext_authz::v3::ExtAuthzPerRoute;
using BufferSettings = envoy::extensions::filters::http::ext_authz::v3::BufferSettings;

AuthzBody readBody(const BufferSettings& config) {
  return {config.max_request_bytes(), config.allow_partial_message(), config.pack_as_bytes()};
}

MetadataNamespaces readNamespaces(const google::protobuf::RepeatedPtrField<std::string>& untyped,
                                  const google::protobuf::RepeatedPtrField<std::string>& typed) {
  return {{untyped.begin(), untyped.end()}, {typed.begin(), typed.end()}};
}

class ExtAuthzFactory : public HttpFilterFactory {
 public:
  explicit ExtAuthzFactory(const ServiceFilterContext& context) : context_(context) {}

  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PerRouteProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    const matcher::RegexLimit limit = matcher::RegexLimit::of(context_.tools.runtime);
    ExtAuthzSettings out;
    out.service = readService(proto, path, violations);
    out.failure_mode_allow = proto.failure_mode_allow();
    out.failure_mode_header = proto.failure_mode_allow_header_add();
    if (proto.has_with_request_body()) {
      out.body = readBody(proto.with_request_body());
    }
    out.clear_route_cache = proto.clear_route_cache();
    if (proto.has_status_on_error() && proto.status_on_error().code() != 0) {
      out.status_on_error = static_cast<uint32_t>(proto.status_on_error().code());
    }
    out.validate_mutations = proto.validate_mutations();
    out.metadata = readNamespaces(proto.metadata_context_namespaces(), proto.typed_metadata_context_namespaces());
    out.route_metadata =
        readNamespaces(proto.route_metadata_context_namespaces(), proto.route_typed_metadata_context_namespaces());
    if (proto.has_filter_enabled()) {
      out.enabled = runtime::resolve(proto.filter_enabled(), context_.tools.runtime);
    }
    if (proto.has_filter_enabled_metadata()) {
      out.enabled_metadata = matcher::toMetadataMatcher(proto.filter_enabled_metadata(), limit,
                                                        path.field("filter_enabled_metadata"), violations);
    }
    if (proto.has_deny_at_disable()) {
      out.deny_at_disable = runtime::resolve(proto.deny_at_disable(), context_.tools.runtime);
    }
    out.stat_prefix = proto.stat_prefix().empty() ? "" : absl::StrCat(proto.stat_prefix(), ".");
    out.destination_labels = destinationLabels(context_.node, proto.bootstrap_metadata_labels_key());
    out.allowed_headers =
        HeaderNames::create(proto.allowed_headers(), limit, path.field("allowed_headers"), violations);
    out.disallowed_headers =
        HeaderNames::create(proto.disallowed_headers(), limit, path.field("disallowed_headers"), violations);
    out.tls = {proto.include_peer_certificate(), proto.include_tls_session()};
    out.charge_cluster = !proto.has_charge_cluster_response_stats() || proto.charge_cluster_response_stats().value();
    out.raw_headers = proto.encode_raw_headers();
    out.take_metadata =
        !proto.has_enable_dynamic_metadata_ingestion() || proto.enable_dynamic_metadata_ingestion().value();
    out.max_denied_body = proto.max_denied_response_body_bytes();
    if (violations.size() != mistakes) {
      return nullptr;
    }
    stats::ScopePtr scope = context.scope->createScope(
        proto.stat_prefix().empty() ? "ext_authz" : absl::StrCat("ext_authz.", proto.stat_prefix()));
    return event::ownedBy<const http::HttpFilterConfig>(
        context_.main, std::make_unique<ExtAuthzConfig>(std::move(out), context_.main, context_.root, std::move(scope),
                                                        context_.upstreams));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const PerRouteProto&>(message);
    auto out = std::make_shared<ExtAuthzPerRoute>();
    if (!proto.has_check_settings()) {
      out->disabled = proto.disabled();
      if (!out->disabled) {
        violations.add(path.field("disabled"), "can only be true: leave the settings out instead");
        return nullptr;
      }
      return out;
    }
    const auto& settings = proto.check_settings();
    const config::FieldPath below = path.field("check_settings");
    for (const auto& [key, value] : settings.context_extensions()) {
      out->context_extensions.emplace_back(key, value);
    }
    out->no_body = settings.disable_request_body_buffering();
    if (settings.has_with_request_body()) {
      out->body = readBody(settings.with_request_body());
      if (out->no_body) {
        violations.add(below.field("with_request_body"), "does not go with disable_request_body_buffering");
        return nullptr;
      }
    }
    if (settings.has_grpc_service() || settings.has_http_service()) {
      out->service = readService(settings, below, violations);
      if (out->service == nullptr) {
        return nullptr;
      }
    }
    return out;
  }

 private:
  template <class Message>
  std::shared_ptr<const AuthzService> readService(const Message& proto, const config::FieldPath& path,
                                                  config::Violations& violations) const {
    if (proto.has_grpc_service()) {
      return AuthzService::create(proto.grpc_service(), context_.tools.operators, path.field("grpc_service"),
                                  violations);
    }
    if (proto.has_http_service()) {
      return AuthzService::create(proto.http_service(), context_.tools.operators,
                                  matcher::RegexLimit::of(context_.tools.runtime), path.field("http_service"),
                                  violations);
    }
    violations.add(path, "must name a grpc_service or an http_service");
    return nullptr;
  }

  const ServiceFilterContext context_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> extAuthzFactory(const ServiceFilterContext& context) {
  return std::make_unique<ExtAuthzFactory>(context);
}

}  // namespace sluice::filters
