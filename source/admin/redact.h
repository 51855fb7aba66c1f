#pragma once

#include "google/protobuf/message.h"

namespace sluice::admin {

/**
 * Puts "[redacted]" in place of whatever the API marks as sensitive: private keys, passwords, tokens; also inside of
 * extensions' configurations. True if there was any. One thread at a time for one message.
 */
bool redact(google::protobuf::Message& message);

}  // namespace sluice::admin
