#include "source/xds/grpc_transport.h"

#include <deque>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/slice.h"

#include "source/base/weak_ref.h"
#include "source/thread/named_thread.h"

namespace sluice::xds {

/**
 * One gRPC call. Shared by main's stream and by gRPC, which has its share until the last of the call's operations has
 * ended.
 */
class GrpcTransport::Call {
 public:
  Call(event::Dispatcher& main, GrpcThread& thread, base::WeakRef<CallStream> stream,
       std::shared_ptr<grpc::Channel> channel)
      : main_(&main), thread_(thread), stream_(std::move(stream)), channel_(std::move(channel)) {}

  grpc::ClientContext& context() { return context_; }

  /** Main. gRPC's share begins. */
  void start(const std::string& method, std::shared_ptr<Call> self) {
    std::lock_guard<std::mutex> lock(mutex_);
    self_ = std::move(self);
    rpc_ = grpc::GenericStub(channel_).PrepareCall(&context_, method, &thread_.queue());
    // Beside other operations, as gRPC's callback API has it: so it is known of a call's end whatever else is under way.
    rpc_->StartCall(begin(started_));
    rpc_->Finish(&status_, begin(finished_));
    open_ = true;
    writing_ = true;
  }

  /** Main. */
  void send(std::string message) {
    grpc::Slice slice(message);
    std::lock_guard<std::mutex> lock(mutex_);
    to_write_.emplace_back(&slice, 1);
    writeNext();
  }

  /** Main. */
  void allowRead() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++reads_allowed_;
    readNext();
  }

  /** Main: nothing is posted from here on, and the call ends. */
  void detach() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      main_ = nullptr;
      open_ = false;
    }
    context_.TryCancel();
  }

 private:
  class Operation final : public GrpcThread::Operation {
   public:
    Operation(Call& call, void (Call::*handler)(bool)) : call_(call), handler_(handler) {}
    void onEnded(bool ok) override {
      (call_.*handler_)(ok);
      call_.onEnded();
    }

   private:
    Call& call_;
    void (Call::*const handler_)(bool);
  };

  // On gRPC's thread, when an operation has ended.

  void onStarted(bool ok) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ok) {
      postLocked([](StreamEvents& events) { events.onConnected(); });
      writing_ = false;
      writeNext();
    }
  }

  void onWritten(bool ok) {
    std::lock_guard<std::mutex> lock(mutex_);
    // After a failure nothing more is written. What the server has sent is still read, since its status comes after that.
    if (ok) {
      writing_ = false;
      to_write_.pop_front();
      writeNext();
    }
  }

  void onRead(bool ok) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ok) {
      reading_ = false;
      postLocked(
          [message = std::move(incoming_)](StreamEvents& events) mutable { events.onMessage(std::move(message)); });
      incoming_ = grpc::ByteBuffer();
      readNext();
    }
  }

  void onFinished(bool) {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = false;
  }

  /** After each of these: with the last operation gRPC's share ends. */
  void onEnded() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (--operations_ > 0) {
        return;
      }
      // Not before what was read: that is all posted by now.
      absl::Status reason(static_cast<absl::StatusCode>(status_.error_code()), status_.error_message());
      postLocked([reason = std::move(reason)](StreamEvents& events) { events.onClosed(reason); });
      main_ = nullptr;
    }
    const std::shared_ptr<Call> last = std::move(self_);
  }

  // With mutex_ held.

  /** So that detach() returns only when nothing can be posted any more. */
  template <class Function>
  void postLocked(Function function);

  void* begin(Operation& operation) {
    ++operations_;
    return thread_.tag(operation);
  }

  void writeNext() {
    if (open_ && !writing_ && !to_write_.empty()) {
      writing_ = true;
      rpc_->Write(to_write_.front(), begin(written_));
    }
  }

  void readNext() {
    if (open_ && !reading_ && reads_allowed_ > 0) {
      reading_ = true;
      --reads_allowed_;
      rpc_->Read(&incoming_, begin(read_));
    }
  }

  // Main and gRPC's thread meet here: what main wants next has to be looked up when gRPC ends an operation, and posting
  // that question to main would put main's latency between any two messages.
  std::mutex mutex_;
  event::Dispatcher* main_;
  std::deque<grpc::ByteBuffer> to_write_;
  int reads_allowed_ = 0;
  bool writing_ = false;
  bool reading_ = false;
  /** Reads and writes may begin. */
  bool open_ = false;
  int operations_ = 0;

  GrpcThread& thread_;
  std::shared_ptr<Call> self_;
  const base::WeakRef<CallStream> stream_;
  grpc::ByteBuffer incoming_;
  grpc::Status status_;
  Operation started_{*this, &Call::onStarted};
  Operation written_{*this, &Call::onWritten};
  Operation read_{*this, &Call::onRead};
  Operation finished_{*this, &Call::onFinished};
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  /** In the memory of the context's call. */
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> rpc_;
};

/** Main's side of a call. */
class GrpcTransport::CallStream : public Stream {
 public:
  explicit CallStream(StreamEvents& events) : events_(events), anchor_(this) {}
  ~CallStream() override { call_->detach(); }

  void attach(std::shared_ptr<Call> call) { call_ = std::move(call); }
  base::WeakRef<CallStream> ref() const { return anchor_.ref(); }
  StreamEvents& events() { return events_; }

  void send(std::string message) override { call_->send(std::move(message)); }
  void allowRead() override { call_->allowRead(); }

 private:
  StreamEvents& events_;
  std::shared_ptr<Call> call_;
  const base::WeakAnchor<CallStream> anchor_;
};

template <class Function>
void GrpcTransport::Call::postLocked(Function function) {
  if (main_ == nullptr) {
    return;
  }
  main_->post([stream = stream_, function = std::move(function)]() mutable {
    if (CallStream* alive = stream.get()) {
      function(alive->events());
    }
  });
}

GrpcTransport::GrpcTransport(event::Dispatcher& main, GrpcThread& thread, ChannelFactory channels,
                             envoy::config::core::v3::GrpcService service, std::string method)
    : main_(main),
      thread_(thread),
      channels_(std::move(channels)),
      service_(std::move(service)),
      method_(std::move(method)) {}

absl::StatusOr<std::unique_ptr<Stream>> GrpcTransport::open(StreamEvents& events) {
  // gRPC may start a thread with a channel or a call.
  const thread::InheritedSignalMask signals_are_mains;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = channels_(service_);
  if (!channel.ok()) {
    return channel.status();
  }
  auto stream = std::make_unique<CallStream>(events);
  auto call = std::make_shared<Call>(main_, thread_, stream->ref(), *std::move(channel));
  if (!service_.envoy_grpc().authority().empty()) {
    call->context().set_authority(service_.envoy_grpc().authority());
  }
  for (const auto& header : service_.initial_metadata()) {
    // gRPC takes lower-case keys only; binary values belong to keys that end in "-bin".
    const std::string key = absl::AsciiStrToLower(header.key());
    call->context().AddMetadata(key, header.raw_value().empty() ? header.value() : header.raw_value());
  }
  stream->attach(call);
  call->start(method_, call);
  return stream;
}

}  // namespace sluice::xds
