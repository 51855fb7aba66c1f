#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "grpcpp/completion_queue.h"

namespace sluice::xds {

/**
 * The thread that gRPC reads and writes on, and tells of what it has done; it is there from the first call on. It sleeps
 * until there is something to do: the threads of gRPC's callback API look for it ten times a second, and what a control
 * plane sends waits for them. Made and destroyed on main. Destroying it waits for all operations, so calls are cancelled
 * before.
 */
class GrpcThread {
 public:
  /** One operation of a call at a time. */
  class Operation {
   public:
    virtual ~Operation() = default;
    /** On the thread, with whether it went well. It may destroy the operation. */
    virtual void onEnded(bool ok) = 0;
  };

  GrpcThread() = default;
  ~GrpcThread();
  GrpcThread(const GrpcThread&) = delete;

  /** Main. */
  ::grpc::CompletionQueue& queue();
  /** What gRPC is given to know the operation by when it begins. */
  void* tag(Operation& operation);

 private:
  void run();

  std::unique_ptr<::grpc::CompletionQueue> queue_;
  std::mutex handing_over_;
  std::thread thread_;
};

}  // namespace sluice::xds
