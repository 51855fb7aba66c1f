#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

#include "control_plane_mock/server.h"

namespace sluice::control_plane_mock {

/**
 * All that the server's threads share: gRPC's, the one that waits for delays to pass, and the script's. One lock guards
 * everything; functions with Locked in their name are called with it held.
 */
class Server::State : public std::enable_shared_from_this<Server::State> {
 public:
  struct Snapshot {
    std::string version;
    /** In order of name. */
    std::map<std::string, google::protobuf::Any> resources;
    /** The snapshot's version when the resource became what it is; for delta. */
    std::map<std::string, std::string> versions;
    /** Those whose name cannot be told, and second ones of a name: a script may want to send them all the same. */
    std::vector<google::protobuf::Any> others;
    uint64_t serial = 0;
  };
  struct Sent {
    std::string type_url;
    std::string version;
    bool answered = false;
  };

  void addStreamLocked(StreamReactor& stream);
  void streamDoneLocked(StreamReactor& stream);
  void onRequestLocked(StreamReactor& stream, const envoy::service::discovery::v3::DiscoveryRequest& request);
  void onRequestLocked(StreamReactor& stream, const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  /** Answers from the snapshot, if there is anything to say. */
  void answerLocked(StreamReactor& stream, const std::string& type_url);
  void sendLocked(StreamReactor& stream, envoy::service::discovery::v3::DiscoveryResponse response);
  void sendLocked(StreamReactor& stream, envoy::service::discovery::v3::DeltaDiscoveryResponse response);
  void tellLocked(const Event& event) {
    if (observer) {
      observer(event);
    }
  }

  /** What the two variants have in common of a request that came, and of a response that goes out. */
  template <class Message>
  Request readLocked(StreamReactor& stream, const Message& message);
  void noteLocked(StreamReactor& stream, const Request& request);
  template <class Response>
  void writeLocked(StreamReactor& stream, const std::string& version, Response response);
  void answerDeltaLocked(StreamReactor& stream, const std::string& type_url, const Snapshot& snapshot);

  std::mutex mutex;
  /** Requests, streams and delays. */
  std::condition_variable changed;
  std::map<uint64_t, StreamReactor*> streams;
  uint64_t last_stream = 0;
  uint64_t last_nonce = 0;
  uint64_t last_serial = 0;
  std::map<std::string, Snapshot> snapshots;
  std::map<std::string, Sent> sent;
  std::vector<Request> requests;
  /** Which of them expectRequest() has handed out. */
  std::vector<bool> handed_out;
  bool held = false;
  std::chrono::milliseconds delay{0};
  std::optional<grpc::Status> refusal;
  std::function<void(const Event&)> observer;
  bool ending = false;
};

/** One stream. gRPC owns it from its making to OnDone(), where it deletes itself. */
class Server::StreamReactor : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  /** What a type was asked for on this stream. */
  struct Interest {
    std::set<std::string> names;
    bool wildcard = false;
    std::string nonce;
    /** Delta: what the client has, by name. */
    std::map<std::string, std::string> versions;
    /** The snapshot that was sent last; 0 if none. */
    uint64_t serial = 0;
    /** Names were added since then. */
    bool more = false;
  };

  StreamReactor(std::shared_ptr<State> state, std::string called);

  uint64_t id = 0;
  const std::string method;
  const bool delta;
  std::map<std::string, Interest> interests;

  void enqueueLocked(grpc::ByteBuffer message);
  /** Sends what is due. */
  void pumpLocked();
  bool allSentLocked() const { return waiting_.empty(); }
  void finishLocked(const grpc::Status& status);
  /** When the first message that waits is due; no value if none waits. */
  std::optional<std::chrono::steady_clock::time_point> dueLocked() const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Waiting {
    std::chrono::steady_clock::time_point due;
    grpc::ByteBuffer message;
  };

  /** False if the bytes are no request. */
  template <class Message>
  bool takeRequestLocked();

  const std::shared_ptr<State> state_;
  grpc::ByteBuffer incoming_;
  std::deque<Waiting> waiting_;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace sluice::control_plane_mock
