#include "source/xds/grpc_transport.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/slice.h"

#include "source/base/weak_ref.h"
#include "source/thread/named_thread.h"

namespace sluice::xds {

/** How many calls gRPC still holds, and those that it has let go of. */
struct GrpcTransport::LiveCalls {
  // A lock, as there is nobody to post to: main itself waits here at its end.
  std::mutex mutex;
  std::condition_variable none_left;
  int count = 0;
  /**
   * They are destroyed on main: a call holds its channel, and the last channel to go joins the threads that gRPC calls back
   * on, which none of these threads could do.
   */
  std::vector<std::shared_ptr<Call>> finished;

  std::vector<std::shared_ptr<Call>> takeFinished() {
    std::lock_guard<std::mutex> lock(mutex);
    return std::exchange(finished, {});
  }
};

/**
 * One gRPC call. Shared by main's stream and by gRPC, which lets go of it in OnDone(), the last of its callbacks; they come
 * on gRPC's threads.
 */
class GrpcTransport::Call : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Call(event::Dispatcher& main, std::shared_ptr<LiveCalls> live_calls, base::WeakRef<CallStream> stream,
       std::shared_ptr<grpc::Channel> channel)
      : main_(&main), stream_(std::move(stream)), channel_(std::move(channel)), live_calls_(std::move(live_calls)) {
    std::lock_guard<std::mutex> lock(live_calls_->mutex);
    ++live_calls_->count;
  }

  grpc::ClientContext& context() { return context_; }

  /** Main. gRPC's share begins. */
  void start(const std::string& method, std::shared_ptr<Call> self) {
    self_ = std::move(self);
    grpc::GenericStub stub(channel_);
    stub.PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
    // Reads and writes begin on main, outside gRPC's callbacks: the hold says that more may come.
    AddHold();
    StartCall();
  }

  /** Main. */
  void send(std::string message) {
    grpc::Slice slice(message);
    std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) {
      return;
    }
    to_write_.emplace_back(&slice, 1);
    if (!writing_) {
      writeNext();
    }
  }

  /** Main. */
  void allowRead() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++reads_allowed_;
    if (!reading_ && !ending_) {
      readNext();
    }
  }

  /** Main: nothing is posted from here on, and the call ends. */
  void detach() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      main_ = nullptr;
    }
    context_.TryCancel();
    end();
  }

  // gRPC's threads.

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) {
      connected();
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      return end();
    }
    connected();
    std::lock_guard<std::mutex> lock(mutex_);
    to_write_.pop_front();
    writing_ = false;
    if (!to_write_.empty() && !ending_) {
      writeNext();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return end();
    }
    std::lock_guard<std::mutex> lock(mutex_);
    reading_ = false;
    postLocked(
        [message = std::move(incoming_)](StreamEvents& events) mutable { events.onMessage(std::move(message)); });
    incoming_ = grpc::ByteBuffer();
    if (reads_allowed_ > 0 && !ending_) {
      readNext();
    }
  }

  void OnDone(const grpc::Status& status) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      absl::Status reason(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
      postLocked([reason = std::move(reason)](StreamEvents& events) { events.onClosed(reason); });
      main_ = nullptr;
    }
    const std::shared_ptr<LiveCalls> live_calls = live_calls_;
    // Notified under the lock: as soon as it is released, this object and the one who waits may be gone.
    std::lock_guard<std::mutex> lock(live_calls->mutex);
    live_calls->finished.push_back(std::move(self_));
    if (--live_calls->count == 0) {
      live_calls->none_left.notify_all();
    }
  }

 private:
  /** With mutex_ held, so that detach() returns only when nothing can be posted any more. */
  template <class Function>
  void postLocked(Function function);

  void connected() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!std::exchange(connected_, true)) {
      postLocked([](StreamEvents& events) { events.onConnected(); });
    }
  }

  void writeNext() {
    writing_ = true;
    StartWrite(&to_write_.front());
  }

  void readNext() {
    reading_ = true;
    --reads_allowed_;
    StartRead(&incoming_);
  }

  void end() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (std::exchange(ending_, true)) {
        return;
      }
    }
    RemoveHold();
  }

  // Main and gRPC's threads meet here: what main wants next has to be looked up when gRPC ends an operation, and posting
  // that question to main would put main's latency between any two messages.
  std::mutex mutex_;
  event::Dispatcher* main_;
  std::deque<grpc::ByteBuffer> to_write_;
  int reads_allowed_ = 0;
  bool writing_ = false;
  bool reading_ = false;
  bool connected_ = false;
  bool ending_ = false;

  std::shared_ptr<Call> self_;
  const base::WeakRef<CallStream> stream_;
  grpc::ByteBuffer incoming_;
  grpc::ClientContext context_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::shared_ptr<LiveCalls> live_calls_;
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

GrpcTransport::GrpcTransport(event::Dispatcher& main, ChannelFactory channels,
                             envoy::config::core::v3::GrpcService service, std::string method)
    : main_(main),
      channels_(std::move(channels)),
      service_(std::move(service)),
      method_(std::move(method)),
      live_calls_(std::make_shared<LiveCalls>()) {}

GrpcTransport::~GrpcTransport() {
  {
    std::unique_lock<std::mutex> lock(live_calls_->mutex);
    live_calls_->none_left.wait(lock, [this] { return live_calls_->count == 0; });
  }
  live_calls_->takeFinished().clear();
}

absl::StatusOr<std::unique_ptr<Stream>> GrpcTransport::open(StreamEvents& events) {
  // gRPC starts its threads with the first channel and with the first call.
  const thread::InheritedSignalMask signals_are_mains;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = channels_(service_);
  if (!channel.ok()) {
    return channel.status();
  }
  auto stream = std::make_unique<CallStream>(events);
  auto call = std::make_shared<Call>(main_, live_calls_, stream->ref(), *std::move(channel));
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
  // After the new call has begun: so its channel keeps gRPC's threads, and main has none to join.
  live_calls_->takeFinished().clear();
  return stream;
}

}  // namespace sluice::xds
