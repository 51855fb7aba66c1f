#include "source/filters/access_loggers/grpc_log_stream.h"

#include <utility>

#include "source/base/logging.h"

namespace sluice::filters {
namespace {

constexpr absl::string_view kMethod = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

}  // namespace

GrpcLogStats::GrpcLogStats(stats::Scope& scope)
    : logs_written(scope.counter("logs_written")), logs_dropped(scope.counter("logs_dropped")) {}

GrpcLogStream::GrpcLogStream(std::shared_ptr<const GrpcLogSettings> settings, const grpc::Upstreams& upstreams,
                             event::Dispatcher& dispatcher, const GrpcLogStats& stats)
    : settings_(std::move(settings)), upstreams_(upstreams), dispatcher_(dispatcher), stats_(stats) {}

void GrpcLogStream::add(envoy::data::accesslog::v3::HTTPAccessLogEntry entry) {
  if (makeRoom()) {
    const uint64_t bytes = entry.ByteSizeLong();
    *batch_.mutable_http_logs()->add_log_entry() = std::move(entry);
    added(bytes);
  }
}

void GrpcLogStream::add(envoy::data::accesslog::v3::TCPAccessLogEntry entry) {
  if (makeRoom()) {
    const uint64_t bytes = entry.ByteSizeLong();
    *batch_.mutable_tcp_logs()->add_log_entry() = std::move(entry);
    added(bytes);
  }
}

bool GrpcLogStream::makeRoom() {
  const auto full = [this] { return settings_->buffer_bytes > 0 && batch_bytes_ >= settings_->buffer_bytes; };
  if (full()) {
    flush();
  }
  if (full()) {
    stats_.logs_dropped.inc();
    return false;
  }
  stats_.logs_written.inc();
  return true;
}

void GrpcLogStream::added(uint64_t bytes) {
  batch_bytes_ += bytes;
  ++batch_entries_;
  if (batch_bytes_ >= settings_->buffer_bytes) {
    flush();
  }
  if (batch_entries_ > 0 && !interval_.pending()) {
    dispatcher_.deadlines().set(interval_, settings_->flush_interval);
  }
}

void GrpcLogStream::onInterval() {
  if (!flush()) {
    dispatcher_.deadlines().set(interval_, settings_->flush_interval);
  }
}

bool GrpcLogStream::flush() {
  if (batch_entries_ == 0) {
    return true;
  }
  if (call_ == nullptr) {
    call_ = std::make_unique<grpc::StreamCall>(upstreams_, dispatcher_, settings_->service, *this);
    starting_ = true;
    call_->start(kMethod);
    starting_ = false;
    if (call_ != nullptr && !call_->open()) {
      call_.reset();
    }
    *batch_.mutable_identifier() = settings_->identifier;
  } else if (!call_->writable()) {
    return false;
  }
  if (call_ != nullptr) {
    call_->send(batch_);
  } else {
    stats_.logs_dropped.add(batch_entries_);
  }
  batch_.Clear();
  batch_bytes_ = 0;
  batch_entries_ = 0;
  return true;
}

void GrpcLogStream::onClosed(const grpc::Status& status) {
  LOG_DEBUG(grpc, "the stream to the access log service of cluster {} ended: {} {}", settings_->service.cluster,
            status.code, status.message);
  if (!starting_) {
    call_.reset();
  }
}

}  // namespace sluice::filters
