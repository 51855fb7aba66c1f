#include "source/server/extensions.h"

#include "source/filters/network/config.h"
#include "source/filters/transport/raw_buffer.h"

namespace sluice::server {

listener::FilterFactories makeFilterFactories(const ExtensionContext& context) {
  listener::FilterFactories out;
  out.network.push_back(filters::tcpProxyFactory(context.main, context.slots, context.root.shared_from_this(),
                                                 context.clusters, context.access_loggers));
  out.network.push_back(filters::echoFactory(context.main));
  out.network.push_back(filters::directResponseFactory(context.main));
  out.transport.push_back(filters::rawBufferFactory(context.main));
  return out;
}

}  // namespace sluice::server
