#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/accesslog/v3/als.pb.h"

#include "source/event/deadline.h"
#include "source/event/dispatcher.h"
#include "source/grpc/service_config.h"
#include "source/grpc/stream_call.h"
#include "source/grpc/upstreams.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace sluice::filters {

/** access_logs.grpc_access_log.* */
struct GrpcLogStats {
  explicit GrpcLogStats(stats::Scope& scope);
  stats::Counter logs_written;
  /** Entries that found the buffer full, or were lost with a stream that never stood. */
  stats::Counter logs_dropped;
};

/** What CommonGrpcAccessLogConfig says, as plain data. */
struct GrpcLogSettings {
  grpc::ServiceConfig service;
  envoy::service::accesslog::v3::StreamAccessLogsMessage::Identifier identifier;
  std::chrono::milliseconds flush_interval{1000};
  /** What is buffered at most, about; 0: every entry goes at once. */
  uint64_t buffer_bytes = 16384;
};

/**
 * One worker's stream to a log service: gathers entries and sends them in batches, when the buffer is full or the interval
 * is over. A stream that ends is opened anew with the next batch. While the service takes nothing the buffer stays as it
 * is and entries that find no room are dropped, so that a slow service never holds up or bloats the worker.
 */
class GrpcLogStream : public thread::ThreadLocalObject, public grpc::StreamCallCallbacks {
 public:
  GrpcLogStream(std::shared_ptr<const GrpcLogSettings> settings, const grpc::Upstreams& upstreams,
                event::Dispatcher& dispatcher, const GrpcLogStats& stats);

  void add(envoy::data::accesslog::v3::HTTPAccessLogEntry entry);
  void add(envoy::data::accesslog::v3::TCPAccessLogEntry entry);

 private:
  void onMessage(absl::string_view) override {}
  void onClosed(const grpc::Status& status) override;

  bool makeRoom();
  void added(uint64_t bytes);
  void onInterval();
  /** False when the batch has to stay. */
  bool flush();

  const std::shared_ptr<const GrpcLogSettings> settings_;
  const grpc::Upstreams& upstreams_;
  event::Dispatcher& dispatcher_;
  const GrpcLogStats& stats_;
  envoy::service::accesslog::v3::StreamAccessLogsMessage batch_;
  uint64_t batch_bytes_ = 0;
  uint32_t batch_entries_ = 0;
  bool starting_ = false;
  /** Null while there is no stream. */
  std::unique_ptr<grpc::StreamCall> call_;
  event::MemberDeadline<GrpcLogStream, &GrpcLogStream::onInterval> interval_{*this};
};

}  // namespace sluice::filters
