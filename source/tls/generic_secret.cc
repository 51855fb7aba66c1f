#include "source/tls/generic_secret.h"

#include <utility>

#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"

#include "source/config/data_source.h"

namespace sluice::tls {

std::shared_ptr<const GenericSecret> GenericSecret::create(const Proto& message, const config::FieldPath& path,
                                                           config::Violations& violations) {
  config::Violations found;
  std::shared_ptr<GenericSecret> secret(new GenericSecret());
  if (message.has_secret()) {
    secret->bytes_ = config::readDataSource(message.secret(), path.field("secret"), found).value_or("");
  }
  for (const auto& [name, source] : message.secrets()) {
    secret->named_[name] = config::readDataSource(source, path.field("secrets").key(name), found).value_or("");
  }
  violations.addAll(found);
  return found.empty() ? secret : nullptr;
}

}  // namespace sluice::tls
