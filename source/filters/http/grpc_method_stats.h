#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "source/base/arena.h"
#include "source/event/dispatcher.h"
#include "source/filters/common/dynamic_stats.h"
#include "source/http/header_map.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** The two parts of a gRPC request's path; both empty when it is none. Views of the path. */
struct GrpcMethod {
  absl::string_view service;
  absl::string_view method;
  static GrpcMethod parse(absl::string_view path);
};

/**
 * cluster.<cluster>.<protocol>.<service>.<method>.*, as Envoy names them; each comes into being with its first use.
 * Made and destroyed on main, used on any thread.
 */
class GrpcMethodStats {
 public:
  /** `protocol` is "grpc" or "grpc-web", and static. */
  GrpcMethodStats(event::Dispatcher& main, const stats::ScopePtr& root, absl::string_view protocol);

  /** "<cluster>.<protocol>.<service>.<method>" in the arena; what the functions below take. Without a method, shorter. */
  absl::string_view name(base::Arena& arena, absl::string_view cluster, const GrpcMethod& method,
                         bool replace_dots) const;

  /** Counts the status that headers or trailers tell, if they tell one: it, success or failure, and total. */
  void countStatus(absl::string_view name, const http::HeaderMap& headers) const;
  void countRequestMessages(absl::string_view name, uint64_t messages) const;
  void countResponseMessages(absl::string_view name, uint64_t messages) const;
  void recordUpstreamTime(absl::string_view name, uint64_t milliseconds) const;

 private:
  struct NamedHistogram {
    NamedHistogram(stats::Scope& scope, const std::string& name)
        : histogram(scope.histogram(name, stats::Unit::Milliseconds)) {}
    stats::Histogram histogram;
  };

  void count(absl::string_view name, absl::string_view what, uint64_t amount) const;

  const absl::string_view protocol_;
  const DynamicStats<NamedCounter> counters_;
  const DynamicStats<NamedHistogram> histograms_;
};

}  // namespace sluice::filters
