#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "grpcpp/completion_queue.h"

namespace sluice::xds {

/**
 * The thread that gRPC reads and writes on, and tells of what it has done. It sleeps until there is something to do; the
 * threads of gRPC's callback API look for it ten times a second, and what a control plane sends waits for them. Made and
 * destroyed on main. Destroying it waits until gRPC has let go of every call, so calls are cancelled before.
 */
class GrpcThread {
 public:
  /** What gRPC is given as an operation's tag: called on the thread when the operation has ended, well or not. */
  using Completion = std::function<void(bool ok)>;

  GrpcThread();
  ~GrpcThread();
  GrpcThread(const GrpcThread&) = delete;

  ::grpc::CompletionQueue& queue() { return *queue_; }

  /** Any thread. No operation is begun outside these two. */
  void callBegins();
  void callEnded();

 private:
  void run();

  std::unique_ptr<::grpc::CompletionQueue> queue_;
  // A lock, as there is nobody to post to: main itself waits here at its end.
  std::mutex mutex_;
  std::condition_variable none_left_;
  int calls_ = 0;
  std::thread thread_;
};

}  // namespace sluice::xds
