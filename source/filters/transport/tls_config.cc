#include "source/filters/transport/tls_config.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/matcher/config.h"
#include "source/tls/certificate.h"
#include "source/tls/pem.h"
#include "source/tls/tls_parameters.h"
#include "source/tls/validation_context.h"

namespace sluice::filters {
namespace {

namespace proto = envoy::extensions::transport_sockets::tls::v3;
using config::FieldPath;
using config::Violations;

constexpr size_t kLongestProtocol = 255;
/** Of all names with their lengths, in a ClientHello. */
constexpr size_t kLongestProtocols = 65535;

int versionOf(proto::TlsParameters::TlsProtocol protocol, int automatic) {
  switch (protocol) {
    case proto::TlsParameters::TLSv1_0:
      return TLS1_VERSION;
    case proto::TlsParameters::TLSv1_1:
      return TLS1_1_VERSION;
    case proto::TlsParameters::TLSv1_2:
      return TLS1_2_VERSION;
    case proto::TlsParameters::TLSv1_3:
      return TLS1_3_VERSION;
    default:
      return automatic;
  }
}

/** What Envoy's statistics call certificates that have no name: after what is inline of them. */
std::string unnamed(absl::string_view kind, const envoy::config::core::v3::DataSource& source) {
  const std::string& bytes = source.has_inline_bytes() ? source.inline_bytes() : source.inline_string();
  return absl::StrCat("unnamed_", kind, "_", absl::BytesToHexString(tls::sha256(bytes)).substr(0, 8));
}

std::vector<std::string> listOf(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

void readParameters(const proto::TlsParameters& message, const FieldPath& path, tls::Settings& settings,
                    Violations& violations) {
  settings.min_version = versionOf(message.tls_minimum_protocol_version(), settings.min_version);
  settings.max_version = versionOf(message.tls_maximum_protocol_version(), settings.max_version);
  if (settings.min_version > settings.max_version) {
    violations.add(path.field("tls_maximum_protocol_version"), "is below tls_minimum_protocol_version");
  }
  const auto read = [&](const auto& field, const char* name, auto reader, auto& into) {
    if (field.empty()) {
      return;
    }
    auto made = reader(listOf(field));
    if (made.ok()) {
      into = *std::move(made);
    } else {
      violations.add(path.field(name), std::string(made.status().message()));
    }
  };
  read(message.cipher_suites(), "cipher_suites", tls::readCiphers, settings.ciphers);
  read(message.ecdh_curves(), "ecdh_curves", tls::readGroups, settings.groups);
  read(message.signature_algorithms(), "signature_algorithms", tls::readSignatureAlgorithms,
       settings.signature_algorithms);
}

void readProtocols(const google::protobuf::RepeatedPtrField<std::string>& entries, const FieldPath& path,
                   tls::Settings& settings, Violations& violations) {
  size_t wire = 0;
  for (int i = 0; i < entries.size(); ++i) {
    // An entry may be a list by itself, as Envoy has it.
    for (absl::string_view name : absl::StrSplit(entries[i], ',')) {
      if (name.empty() || name.size() > kLongestProtocol) {
        violations.add(path.index(i), "a protocol's name has 1 to 255 bytes");
      }
      wire += 1 + name.size();
      settings.alpn.emplace_back(name);
    }
  }
  if (wire > kLongestProtocols) {
    violations.add(path, absl::StrCat("the names take ", wire, " bytes, and there is room for ", kLongestProtocols));
  }
}

void readKeyLog(const proto::TlsKeyLog& message, const FieldPath& path, const TlsServices& services,
                tls::Settings& settings, Violations& violations) {
  auto log = std::make_shared<tls::KeyLog>();
  auto file = services.files.open(message.path());
  if (!file.ok()) {
    violations.add(path.field("path"), std::string(file.status().message()));
    return;
  }
  log->file = *std::move(file);
  log->local = matcher::toIpRanges(message.local_address_range(), path.field("local_address_range"), violations);
  log->remote = matcher::toIpRanges(message.remote_address_range(), path.field("remote_address_range"), violations);
  settings.key_log = std::move(log);
}

void readCertificates(const proto::CommonTlsContext& message, const FieldPath& path, const TlsServices& services,
                      xds::InitManager& init_manager, tls::ContextParts& parts, Violations& violations) {
  const auto add = [&parts](tls::SecretSource::Provider<tls::Certificate> provider, std::string name) {
    if (provider != nullptr) {
      parts.identities.push_back({std::move(provider), std::move(name)});
    }
  };
  if (message.tls_certificates_size() > 0 && message.tls_certificate_sds_secret_configs_size() > 0) {
    violations.add(path.field("tls_certificate_sds_secret_configs"), "must not be set beside tls_certificates");
    return;
  }
  for (int i = 0; i < message.tls_certificates_size(); ++i) {
    add(services.secrets.certificate(message.tls_certificates(i), path.field("tls_certificates").index(i), violations),
        unnamed("cert", message.tls_certificates(i).certificate_chain()));
  }
  for (int i = 0; i < message.tls_certificate_sds_secret_configs_size(); ++i) {
    const auto& source = message.tls_certificate_sds_secret_configs(i);
    add(services.secrets.certificate(source, path.field("tls_certificate_sds_secret_configs").index(i), init_manager,
                                     violations),
        source.name());
  }
}

void readValidation(const proto::CommonTlsContext& message, const FieldPath& path, const TlsServices& services,
                    xds::InitManager& init_manager, tls::ContextParts& parts, Violations& violations) {
  switch (message.validation_context_type_case()) {
    case proto::CommonTlsContext::kValidationContext:
      parts.validation =
          services.secrets.validation(message.validation_context(), path.field("validation_context"), violations);
      parts.validation_name = unnamed("ca_cert", message.validation_context().trusted_ca());
      break;
    case proto::CommonTlsContext::kValidationContextSdsSecretConfig:
      parts.validation =
          services.secrets.validation(message.validation_context_sds_secret_config(), nullptr,
                                      path.field("validation_context_sds_secret_config"), init_manager, violations);
      parts.validation_name = message.validation_context_sds_secret_config().name();
      break;
    case proto::CommonTlsContext::kCombinedValidationContext: {
      const auto& combined = message.combined_validation_context();
      const FieldPath at = path.field("combined_validation_context");
      parts.validation = services.secrets.validation(
          combined.validation_context_sds_secret_config(), &combined.default_validation_context(),
          at.field("validation_context_sds_secret_config"), init_manager, violations);
      parts.validation_name = combined.validation_context_sds_secret_config().name();
      break;
    }
    default:
      // The support table refuses the others.
      break;
  }
}

}  // namespace

void readCommonTlsContext(const proto::CommonTlsContext& message, const FieldPath& path, const TlsServices& services,
                          xds::InitManager& init_manager, tls::Settings& settings, tls::ContextParts& parts,
                          Violations& violations) {
  readParameters(message.tls_params(), path.field("tls_params"), settings, violations);
  readProtocols(message.alpn_protocols(), path.field("alpn_protocols"), settings, violations);
  if (message.has_key_log()) {
    readKeyLog(message.key_log(), path.field("key_log"), services, settings, violations);
  }
  readCertificates(message, path, services, init_manager, parts, violations);
  readValidation(message, path, services, init_manager, parts, violations);
}

}  // namespace sluice::filters
