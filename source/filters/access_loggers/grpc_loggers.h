#pragma once

#include <memory>

#include "source/access_log/factory.h"
#include "source/access_log/operators.h"
#include "source/event/dispatcher.h"
#include "source/grpc/upstreams.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace envoy::config::core::v3 {
class Node;
}

namespace sluice::filters {

class GrpcLogTargets;

/** What the loggers over gRPC are made with; all of it outlives them. */
struct GrpcLoggerServices {
  event::Dispatcher& main;
  thread::SlotAllocator& slots;
  stats::ScopePtr root;
  const grpc::Upstreams& upstreams;
  const access_log::OperatorTable& operators;
  const envoy::config::core::v3::Node& node;
};

/**
 * envoy.access_loggers.http_grpc and tcp_grpc: entries to an access log service. Loggers of equal configuration share one
 * stream for each worker. Owned by the server.
 */
class GrpcLoggerKinds {
 public:
  explicit GrpcLoggerKinds(const GrpcLoggerServices& services);
  ~GrpcLoggerKinds();

  const access_log::LoggerKind& http() const { return *http_; }
  const access_log::LoggerKind& tcp() const { return *tcp_; }

 private:
  const std::unique_ptr<GrpcLogTargets> targets_;
  const std::unique_ptr<access_log::LoggerKind> http_;
  const std::unique_ptr<access_log::LoggerKind> tcp_;
};

}  // namespace sluice::filters
