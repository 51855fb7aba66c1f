#include "source/xds/grpc_thread.h"

#include "source/thread/named_thread.h"

namespace sluice::xds {

GrpcThread::~GrpcThread() {
  if (queue_ != nullptr) {
    queue_->Shutdown();
    thread_.join();
  }
}

grpc::CompletionQueue& GrpcThread::queue() {
  if (queue_ == nullptr) {
    // gRPC starts threads of its own with the first thing that is made of it.
    const thread::InheritedSignalMask signals_are_mains;
    queue_ = std::make_unique<grpc::CompletionQueue>();
    thread_ = thread::startThread("grpc", [this] { run(); });
  }
  return *queue_;
}

// gRPC sees to it that what main has written of an operation is read after that. The lock is there for ThreadSanitizer,
// which cannot look into gRPC.

void* GrpcThread::tag(Operation& operation) {
  std::lock_guard<std::mutex> lock(handing_over_);
  return &operation;
}

void GrpcThread::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    {
      std::lock_guard<std::mutex> lock(handing_over_);
    }
    static_cast<Operation*>(tag)->onEnded(ok);
  }
}

}  // namespace sluice::xds
