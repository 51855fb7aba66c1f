#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "grpcpp/support/slice.h"

#include "source/xds/transport.h"

namespace sluice::test {

/** A wire whose other end is the test. It outlives the transport that it hands out. */
class FakeWire {
 public:
  /** What goes to the thing under test, which owns it. */
  std::unique_ptr<xds::Transport> transport() { return std::make_unique<Transport>(*this); }

  bool isOpen() const { return events_ != nullptr; }
  int opened() const { return opened_; }
  /** How many more messages the client takes. */
  int credit() const { return credit_; }
  void failToOpen(absl::Status status) { open_status_ = std::move(status); }

  void connect() { events_->onConnected(); }
  void receiveBytes(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    --credit_;
    events_->onMessage(grpc::ByteBuffer(&slice, 1));
  }
  void receive(const google::protobuf::Message& response) { receiveBytes(response.SerializeAsString()); }
  void close(absl::Status status = absl::UnavailableError("gone")) { events_->onClosed(std::move(status)); }

  /** The requests since the last call. */
  template <class Request>
  std::vector<Request> take() {
    std::vector<Request> requests;
    for (const std::string& bytes : std::exchange(sent_, {})) {
      requests.emplace_back().ParseFromString(bytes);
    }
    return requests;
  }
  std::vector<envoy::service::discovery::v3::DiscoveryRequest> takeRequests() {
    return take<envoy::service::discovery::v3::DiscoveryRequest>();
  }

 private:
  class Stream : public xds::Stream {
   public:
    explicit Stream(FakeWire& wire) : wire_(wire) {}
    ~Stream() override { wire_.events_ = nullptr; }
    void send(std::string message) override { wire_.sent_.push_back(std::move(message)); }
    void allowRead() override { ++wire_.credit_; }

   private:
    FakeWire& wire_;
  };
  class Transport : public xds::Transport {
   public:
    explicit Transport(FakeWire& wire) : wire_(wire) {}
    absl::StatusOr<std::unique_ptr<xds::Stream>> open(xds::StreamEvents& events) override {
      ++wire_.opened_;
      if (!wire_.open_status_.ok()) {
        return wire_.open_status_;
      }
      wire_.events_ = &events;
      wire_.credit_ = 0;
      wire_.sent_.clear();
      return std::make_unique<Stream>(wire_);
    }

   private:
    FakeWire& wire_;
  };

  xds::StreamEvents* events_ = nullptr;
  int opened_ = 0;
  int credit_ = 0;
  absl::Status open_status_;
  std::vector<std::string> sent_;
};

}  // namespace sluice::test
