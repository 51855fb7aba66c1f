#pragma once

#include <memory>
#include <string>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "grpcpp/security/credentials.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/tls/validation_context.h"

namespace sluice::cluster {

/**
 * TLS to a control plane, as the UpstreamTlsContext of its cluster describes it, in gRPC's terms: gRPC makes that connection
 * itself, and asks our own validation about the server's certificate. What it has no setting for is refused. Main thread.
 */
class GrpcTls {
 public:
  using UpstreamTlsContext = envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

  /** Null, with violations, if it cannot be had. */
  static std::shared_ptr<GrpcTls> create(const UpstreamTlsContext& context, const config::FieldPath& path,
                                         config::Violations& violations);

  /** For a new connection: files are read again; where that brings a mistake, all stays as it was read before. */
  std::shared_ptr<grpc::ChannelCredentials> credentials();
  /** What the server is called in the handshake; empty: as its cluster is. */
  const std::string& serverName() const { return context_.sni(); }

 private:
  /** What is read from inline text or files. */
  struct Contents {
    std::string chain;
    std::string key;
    std::shared_ptr<const tls::ValidationContext> validation;
  };

  explicit GrpcTls(const UpstreamTlsContext& context) : context_(context) {}
  Contents read(const config::FieldPath& path, config::Violations& violations) const;

  const UpstreamTlsContext context_;
  Contents contents_;
};

}  // namespace sluice::cluster
