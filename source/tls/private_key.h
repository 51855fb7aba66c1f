#pragma once

#include <string>

#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/** The first private key of a PEM text; null where there is none, or the password (which may be null) does not open it. */
PkeyPtr readPrivateKey(const std::string& pem, const std::string* password);

}  // namespace sluice::tls
