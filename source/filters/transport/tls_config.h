#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/stats/stats.h"
#include "source/thread/file_writer.h"
#include "source/tls/context_publisher.h"
#include "source/tls/secret_provider.h"
#include "source/tls/settings.h"
#include "source/tls/tls_factory.h"
#include "source/xds/init_manager.h"

namespace sluice::filters {

/** What the factories of TLS transport sockets need; all of it outlives them. */
struct TlsServices {
  event::Dispatcher& main;
  /** Without prefix. */
  stats::ScopePtr root;
  thread::FileWriter& files;
  tls::SecretSource& secrets;
  std::shared_ptr<tls::ContextPublisher> contexts;
};

/**
 * Reads what both sides have in common into `settings` and `parts`, whose `settings` is left to the caller. On main, which
 * reads the files that are named. Mistakes go to `violations` with their path.
 */
void readCommonTlsContext(const envoy::extensions::transport_sockets::tls::v3::CommonTlsContext& message,
                          const config::FieldPath& path, const TlsServices& services, xds::InitManager& init_manager,
                          tls::Settings& settings, tls::ContextParts& parts, config::Violations& violations);

}  // namespace sluice::filters
