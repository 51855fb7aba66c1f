#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/message.h"

#include "source/cluster/cluster_info.h"
#include "source/cluster/transport_factory.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::cluster {

/** A transport socket as configuration names it, not made yet. */
struct TransportPart {
  config::FieldPath path;
  /** Null for raw_buffer without settings, which is also what is there when nothing is said. */
  std::shared_ptr<const google::protobuf::Message> message;
};

/** One of transport_socket_matches; its labels live in the cluster's message. */
struct TransportMatchPart {
  std::string name;
  google::protobuf::Struct labels;
  TransportPart socket;
};

/** All transport sockets of a cluster. */
struct TransportParts {
  TransportPart standard;
  std::vector<TransportMatchPart> matches;
};

/** Unpacks a transport socket; of one that is not set, the default. Pure; any thread. */
TransportPart readTransport(const envoy::config::core::v3::TransportSocket* proto, const config::FieldPath& path,
                            config::Violations& violations);
TransportParts readTransports(const envoy::config::cluster::v3::Cluster& proto, const config::FieldPath& path,
                              config::Violations& violations);

/** Has the factory that knows the message make the transport socket; null, with violations, when it can't. Main. */
std::shared_ptr<const net::TransportSocketFactory> makeTransport(const TransportPart& part,
                                                                 const UpstreamTransportSocketFactories& factories,
                                                                 TransportContext& context,
                                                                 config::Violations& violations);

/**
 * What connections to each endpoint are made with, by what its metadata and its locality's hold under
 * "envoy.transport_socket_match". Immutable; main thread.
 */
class RecipeMatcher {
 public:
  using Metadata = envoy::config::core::v3::Metadata;

  /**
   * Makes the recipes that differ from `base` by their transport socket; what is equal to a recipe of `kept`, which may
   * be null, is that very object. Null, with violations, when one can't be made.
   */
  static std::unique_ptr<const RecipeMatcher> create(const TransportParts& parts, const ConnectionRecipe& base,
                                                     const RecipeMatcher* kept,
                                                     const UpstreamTransportSocketFactories& factories,
                                                     TransportContext& context, config::Violations& violations);

  /** For endpoints that say nothing. */
  const std::shared_ptr<const ConnectionRecipe>& standard() const { return standard_; }
  /** False when all endpoints have the standard one. */
  bool chooses() const { return !matches_.empty(); }
  struct Choice {
    std::shared_ptr<const ConnectionRecipe> recipe;
    /** Endpoints that it was chosen for. */
    stats::Counter total;
  };
  /** Both may be null. */
  const Choice& pick(const Metadata* endpoint, const Metadata* locality) const;

 private:
  struct Match {
    google::protobuf::Struct labels;
    Choice choice;
  };

  RecipeMatcher() = default;
  std::shared_ptr<const ConnectionRecipe> keep(std::shared_ptr<const ConnectionRecipe> made) const;

  std::vector<Match> matches_;
  /** What transport_socket says. */
  Choice fallback_;
  std::shared_ptr<const ConnectionRecipe> standard_;
};

}  // namespace sluice::cluster
