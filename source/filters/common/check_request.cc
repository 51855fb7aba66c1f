#include "source/filters/common/check_request.h"

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/auth/v3/attribute_context.pb.h"

#include "source/config/utf8.h"
#include "source/filters/common/proto_address.h"

namespace sluice::filters {

void MetadataNamespaces::copy(const envoy::config::core::v3::Metadata* from,
                              envoy::config::core::v3::Metadata& to) const {
  if (from == nullptr) {
    return;
  }
  for (const std::string& name : untyped) {
    if (const auto found = from->filter_metadata().find(name); found != from->filter_metadata().end()) {
      (*to.mutable_filter_metadata())[name] = found->second;
    }
  }
  for (const std::string& name : typed) {
    if (const auto found = from->typed_filter_metadata().find(name); found != from->typed_filter_metadata().end()) {
      (*to.mutable_typed_filter_metadata())[name] = found->second;
    }
  }
}

namespace {

/** Its first URI, else its first DNS name, else its subject. */
std::string principalOf(const net::CertificateDetails& certificate) {
  return asUtf8(!certificate.uri_sans.empty()   ? certificate.uri_sans.front()
                : !certificate.dns_sans.empty() ? certificate.dns_sans.front()
                                                : certificate.subject);
}

}  // namespace

void fillConnection(const net::StreamInfo& connection, const TlsAttributes& tls,
                    envoy::service::auth::v3::AttributeContext& out) {
  toProto(connection.downstream_remote, *out.mutable_source()->mutable_address());
  toProto(connection.downstream_local, *out.mutable_destination()->mutable_address());
  const net::TlsInfo* const info = connection.downstream_tls;
  if (info == nullptr) {
    return;
  }
  if (const net::CertificateDetails* const peer = info->peer(); peer != nullptr) {
    out.mutable_source()->set_principal(principalOf(*peer));
    if (tls.certificate) {
      out.mutable_source()->set_certificate(peer->pem);
    }
  }
  if (const net::CertificateDetails* const local = info->local(); local != nullptr) {
    out.mutable_destination()->set_principal(principalOf(*local));
  }
  if (tls.session) {
    out.mutable_tls_session()->set_sni(asUtf8(info->serverName()));
  }
}

std::vector<std::pair<std::string, std::string>> destinationLabels(const envoy::config::core::v3::Node& node,
                                                                   const std::string& key) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto found = node.metadata().fields().find(key);
  if (!key.empty() && found != node.metadata().fields().end()) {
    for (const auto& [name, value] : found->second.struct_value().fields()) {
      out.emplace_back(name, value.string_value());
    }
  }
  return out;
}

std::string asUtf8(absl::string_view text) {
  std::string out(text);
  for (size_t from = 0;;) {
    const size_t bad = config::findInvalidUtf8(absl::string_view(out).substr(from));
    if (bad == std::string::npos) {
      return out;
    }
    from += bad;
    out[from] = '!';
  }
}

}  // namespace sluice::filters
