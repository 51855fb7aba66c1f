#include "source/xds/grpc_thread.h"

#include "source/thread/named_thread.h"

namespace sluice::xds {

GrpcThread::GrpcThread() {
  // gRPC starts threads of its own with the first thing that is made of it.
  const thread::InheritedSignalMask signals_are_mains;
  queue_ = std::make_unique<grpc::CompletionQueue>();
  thread_ = thread::startThread("grpc", [this] { run(); });
}

GrpcThread::~GrpcThread() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    none_left_.wait(lock, [this] { return calls_ == 0; });
  }
  queue_->Shutdown();
  thread_.join();
}

void GrpcThread::callBegins() {
  std::lock_guard<std::mutex> lock(mutex_);
  ++calls_;
}

void GrpcThread::callEnded() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--calls_ == 0) {
    none_left_.notify_all();
  }
}

void GrpcThread::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    {
      // After callBegins(): gRPC sees to it, but out of ThreadSanitizer's sight.
      std::lock_guard<std::mutex> lock(mutex_);
    }
    (*static_cast<Completion*>(tag))(ok);
  }
}

}  // namespace sluice::xds
