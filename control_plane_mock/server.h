#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace sluice::control_plane_mock {

/** A DiscoveryRequest or DeltaDiscoveryRequest as it came. */
struct Request {
  /** Streams are numbered from 1 on. */
  uint64_t stream = 0;
  /** "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets" */
  std::string method;
  bool delta = false;
  std::string type_url;
  std::string version;
  std::string nonce;
  /** State of the world: all that are wanted. Delta: those that are subscribed to from now on. */
  std::vector<std::string> names;
  /** Delta only, as what follows. */
  std::vector<std::string> unsubscribed;
  std::map<std::string, std::string> initial_versions;
  std::optional<envoy::config::core::v3::Node> node;
  std::optional<google::rpc::Status> error;
  /** The version of the response that it answers; empty for a first request or one that answers nothing. */
  std::string answered_version;
  /** It repeats an answer that was given before, because the names changed. */
  bool repeated = false;

  bool isNack() const { return error.has_value(); }
  bool isAck() const { return !nonce.empty() && !error.has_value(); }
};

/** What happens, for whoever prints it. */
struct Event {
  enum class Kind { StreamOpened, StreamClosed, Request, Response };
  Kind kind = Kind::StreamOpened;
  uint64_t stream = 0;
  /** For Request. */
  const Request* request = nullptr;
  /** For Response. */
  std::string type_url;
  std::string version;
  size_t resources = 0;
};

/**
 * A discovery server that a test or a program scripts: ADS and the services of single types, state of the world and delta,
 * whichever a stream asks for. In its snapshot it serves what setResources() gave
 * it to whoever asks, as a real control plane does: by name or all, again when it changes, never again after a NACK until
 * then. Types that have no snapshot are never answered: the script sends. All functions are for any thread; waiting ones
 * return as soon as what they wait for is there.
 */
class Server {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  /** "127.0.0.1:0" (a free port), "[::1]:18000", "unix:/path". */
  static absl::StatusOr<std::unique_ptr<Server>> start(std::string listen = "127.0.0.1:0");
  ~Server();

  /** As given, with the port that was found. */
  const std::string& address() const { return listen_; }
  /** 0 for a Unix socket. */
  uint16_t port() const { return port_; }

  // The snapshot.

  /** Replaces all resources of a type and pushes them. Returns the version: "1", "2", … for each type, or as given. */
  std::string setResources(absl::string_view type_url, std::vector<google::protobuf::Any> resources,
                           std::string version = "");
  template <class Message>
  std::string setResources(const std::vector<Message>& resources, std::string version = "") {
    return setResources(typeUrl(*Message::descriptor()), pack(resources), std::move(version));
  }
  template <class Message>
  static std::vector<google::protobuf::Any> pack(const std::vector<Message>& resources) {
    std::vector<google::protobuf::Any> packed(resources.size());
    for (size_t i = 0; i < resources.size(); ++i) {
      packed[i].PackFrom(resources[i]);
    }
    return packed;
  }
  static std::string typeUrl(const google::protobuf::Descriptor& type);

  // The script.

  /** Sends a response as it is to every open stream of its variant; a missing nonce is made up. Returns the nonce. */
  std::string send(envoy::service::discovery::v3::DiscoveryResponse response);
  std::string send(envoy::service::discovery::v3::DeltaDiscoveryResponse response);
  /** Sends bytes that need not be a response as a gRPC message. */
  void sendBytes(absl::string_view bytes);
  /** Nothing goes out until release(); requests are still read. */
  void hold();
  void release();
  /** Everything goes out this much later. */
  void setDelay(std::chrono::milliseconds delay);
  /** Ends every stream with this status; new ones are taken. */
  void breakStreams(grpc::Status status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken by the script"));
  /** Ends streams as soon as they come; no value ends that. */
  void refuseStreams(std::optional<grpc::Status> status);
  /** Closes everything, so that connections are refused, and listens again on the same address. */
  void stop();
  absl::Status restart();

  // What came.

  /** The next request of the type (any, if empty) that was not handed out here before. */
  std::optional<Request> expectRequest(absl::string_view type_url, std::chrono::milliseconds patience = kPatience);
  /** The first request from the beginning on for which `matches` is true. */
  std::optional<Request> waitForRequest(std::function<bool(const Request&)> matches,
                                        std::chrono::milliseconds patience = kPatience);
  bool waitForAck(absl::string_view type_url, absl::string_view version,
                  std::chrono::milliseconds patience = kPatience);
  /** The message of the NACK of that version; no value if none came. */
  std::optional<std::string> waitForNack(absl::string_view type_url, absl::string_view version,
                                         std::chrono::milliseconds patience = kPatience);
  bool waitForStreams(size_t opened, std::chrono::milliseconds patience = kPatience);
  /** All that the streams were given to send is on the wire. */
  bool waitUntilSent(std::chrono::milliseconds patience = kPatience);

  std::vector<Request> requests() const;
  /** Since the beginning, and now. */
  size_t streamsOpened() const;
  size_t openStreams() const;

  /** Told of everything on gRPC's threads, one at a time; it may not call back into the server. */
  void setObserver(std::function<void(const Event&)> observer);

 private:
  class State;
  class StreamReactor;
  class Service;
  struct Running;

  explicit Server(std::string listen);
  absl::Status listen();

  std::string listen_;
  uint16_t port_ = 0;
  const std::shared_ptr<State> state_;
  std::unique_ptr<Running> running_;
};

}  // namespace sluice::control_plane_mock
