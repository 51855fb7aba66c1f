#include "source/cluster/grpc_tls.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

#include "source/base/logging.h"
#include "source/config/data_source.h"
#include "source/tls/certificate.h"
#include "source/tls/openssl_handles.h"
#include "source/tls/pem.h"

namespace sluice::cluster {
namespace {

using config::FieldPath;
using config::Violations;
using envoy::extensions::transport_sockets::tls::v3::TlsParameters;
using grpc::experimental::TlsCustomVerificationCheckRequest;

constexpr absl::string_view kWhy = "gRPC makes the connection to a control plane, and has no setting for it";

/** Refuses every field that is set and not named. */
void only(const google::protobuf::Message& message, std::initializer_list<absl::string_view> fields,
          const FieldPath& path, Violations& violations) {
  std::vector<const google::protobuf::FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  for (const google::protobuf::FieldDescriptor* field : set) {
    if (std::find(fields.begin(), fields.end(), field->name()) == fields.end()) {
      violations.add(path.field(field->name()), std::string(kWhy));
    }
  }
}

void checkVersions(const TlsParameters& parameters, const FieldPath& path, Violations& violations) {
  only(parameters, {"tls_minimum_protocol_version", "tls_maximum_protocol_version"}, path, violations);
  const auto low = parameters.tls_minimum_protocol_version();
  if (low != TlsParameters::TLS_AUTO && low != TlsParameters::TLSv1_2) {
    violations.add(path.field("tls_minimum_protocol_version"), absl::StrCat("must be TLSv1_2: ", kWhy));
  }
  const auto high = parameters.tls_maximum_protocol_version();
  if (high != TlsParameters::TLS_AUTO && high != TlsParameters::TLSv1_3) {
    violations.add(path.field("tls_maximum_protocol_version"), absl::StrCat("must be TLSv1_3: ", kWhy));
  }
}

/** Asks the validation context about the server's certificate, on gRPC's threads. gRPC owns it. */
class Verifier : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit Verifier(std::shared_ptr<const tls::ValidationContext> validation) : validation_(std::move(validation)) {}

  bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* verdict) override {
    const grpc::string_ref sent = request->peer_cert_full_chain();
    tls::PemCertificates certificates = tls::readPemCertificates(absl::string_view(sent.data(), sent.size()));
    const tls::X509StackPtr chain(sk_X509_new_null());
    for (const tls::X509Ptr& certificate : certificates.certificates) {
      sk_X509_push(chain.get(), tls::share(certificate.get()).release());
    }
    tls::ValidationContext::Demands demands;
    demands.server = true;
    std::string why = "the control plane has no certificate";
    bool accepted = false;
    if (!certificates.certificates.empty()) {
      const auto asked = validation_->verify(*certificates.certificates.front(), chain.get(), demands);
      accepted = asked.accepted;
      why = asked.details;
    }
    *verdict = accepted ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, why);
    return true;
  }
  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::shared_ptr<const tls::ValidationContext> validation_;
};

}  // namespace

std::shared_ptr<GrpcTls> GrpcTls::create(const UpstreamTlsContext& context, const FieldPath& path,
                                         Violations& violations) {
  Violations mistakes;
  only(context, {"common_tls_context", "sni", "max_session_keys"}, path, mistakes);
  const auto& common = context.common_tls_context();
  const FieldPath at = path.field("common_tls_context");
  // gRPC offers h2 alone, whatever is asked for.
  only(common, {"tls_params", "tls_certificates", "validation_context", "alpn_protocols"}, at, mistakes);
  checkVersions(common.tls_params(), at.field("tls_params"), mistakes);
  if (common.tls_certificates_size() > 1) {
    mistakes.add(at.field("tls_certificates"), "there can be one on the way to a control plane");
  }
  for (const auto& certificate : common.tls_certificates()) {
    only(certificate, {"certificate_chain", "private_key"}, at.field("tls_certificates").index(0), mistakes);
  }
  std::shared_ptr<GrpcTls> made(new GrpcTls(context));
  made->contents_ = made->read(path, mistakes);
  const bool good = mistakes.empty();
  violations.addAll(mistakes);
  return good ? made : nullptr;
}

GrpcTls::Contents GrpcTls::read(const FieldPath& path, Violations& violations) const {
  Contents contents;
  const auto& common = context_.common_tls_context();
  const FieldPath at = path.field("common_tls_context");
  if (common.tls_certificates_size() > 0) {
    const auto& certificate = common.tls_certificates(0);
    const FieldPath place = at.field("tls_certificates").index(0);
    // gRPC takes text, and says nothing of what is wrong with it.
    if (tls::Certificate::create(certificate, place, violations) != nullptr) {
      contents.chain = config::readDataSource(certificate.certificate_chain(), place, violations).value_or("");
      contents.key = config::readDataSource(certificate.private_key(), place, violations).value_or("");
    }
  }
  if (common.has_validation_context()) {
    contents.validation =
        tls::ValidationContext::create(common.validation_context(), at.field("validation_context"), violations);
  }
  return contents;
}

std::shared_ptr<grpc::ChannelCredentials> GrpcTls::credentials() {
  namespace credentials = grpc::experimental;
  Violations violations;
  Contents now = read(FieldPath(), violations);
  if (violations.empty()) {
    contents_ = std::move(now);
  } else {
    LOG_WARNING(config, "TLS to the control plane stays as it was read before: {}", violations.toString());
  }
  credentials::TlsChannelCredentialsOptions options;
  if (!contents_.chain.empty()) {
    const std::vector<credentials::IdentityKeyCertPair> identity = {{contents_.key, contents_.chain}};
    options.set_certificate_provider(std::make_shared<credentials::StaticDataCertificateProvider>(identity));
    options.watch_identity_key_cert_pairs();
  }
  // As Envoy: nothing is asked of the server that the validation context does not ask for.
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  if (contents_.validation != nullptr) {
    options.set_certificate_verifier(credentials::ExternalCertificateVerifier::Create<Verifier>(contents_.validation));
  } else {
    options.set_certificate_verifier(std::make_shared<credentials::NoOpCertificateVerifier>());
  }
  return credentials::TlsCredentials(options);
}

}  // namespace sluice::cluster
