#pragma once

#include <string>

#include "source/filters/listener/client_hello.h"

namespace sluice::filters {

/** The MD5 of version, ciphers, extensions, groups and point formats: 32 hexadecimal digits. */
std::string ja3(const ClientHello& hello);

/** As FoxIO's "JA4: TLS Client Fingerprinting" says: "t13d1516h2_8daaf6152771_e5627efa2ab1". */
std::string ja4(const ClientHello& hello);

}  // namespace sluice::filters
