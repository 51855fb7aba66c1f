#include "source/tls/session_ticket_keys.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <openssl/crypto.h>

#include "source/config/data_source.h"

namespace sluice::tls {

static_assert(sizeof(SessionTicketKeys::Key) == 80, "the wire has them one after the other");

std::shared_ptr<const SessionTicketKeys> SessionTicketKeys::create(const Proto& message, const config::FieldPath& path,
                                                                   config::Violations& violations) {
  const size_t mistakes_before = violations.size();
  std::shared_ptr<SessionTicketKeys> made(new SessionTicketKeys());
  const config::FieldPath list = path.field("keys");
  if (message.keys_size() == 0) {
    violations.add(list, "at least one key is needed");
  }
  for (int i = 0; i < message.keys_size(); ++i) {
    std::optional<std::string> bytes = config::readDataSource(message.keys(i), list.index(i), violations);
    if (!bytes.has_value()) {
      continue;
    }
    if (bytes->size() == sizeof(Key)) {
      std::memcpy(&made->keys_.emplace_back(), bytes->data(), sizeof(Key));
    } else {
      violations.add(list.index(i),
                     absl::StrCat("a session ticket key has ", sizeof(Key), " bytes, and this has ", bytes->size()));
    }
    OPENSSL_cleanse(bytes->data(), bytes->size());
  }
  return violations.size() == mistakes_before ? made : nullptr;
}

SessionTicketKeys::~SessionTicketKeys() { OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(Key)); }

}  // namespace sluice::tls
