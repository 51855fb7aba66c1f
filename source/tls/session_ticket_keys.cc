#include "source/tls/session_ticket_keys.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>

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

std::shared_ptr<const SessionTicketKeys> SessionTicketKeys::generate(const SessionTicketKeys* previous) {
  std::shared_ptr<SessionTicketKeys> made(new SessionTicketKeys());
  made->keys_.reserve(2);
  Key& first = made->keys_.emplace_back();
  if (RAND_bytes(first.name.data(), static_cast<int>(first.name.size())) != 1 ||
      RAND_priv_bytes(first.hmac.data(), static_cast<int>(first.hmac.size())) != 1 ||
      RAND_priv_bytes(first.aes.data(), static_cast<int>(first.aes.size())) != 1) {
    return nullptr;
  }
  if (previous != nullptr) {
    made->keys_.push_back(previous->keys_.front());
  }
  return made;
}

SessionTicketKeys::~SessionTicketKeys() { OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(Key)); }

}  // namespace sluice::tls
