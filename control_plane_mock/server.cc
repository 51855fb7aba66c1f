#include "control_plane_mock/server.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/slice.h"

#include "control_plane_mock/server_state.h"
#include "source/config/type_registry.h"
#include "source/xds/resource_name.h"

namespace sluice::control_plane_mock {
namespace {

/** "/envoy.service.<something>.v3.<Something>DiscoveryService/Stream<Things>", or Delta; not the unary Fetch. */
bool isDiscovery(absl::string_view method) {
  return absl::StartsWith(method, "/envoy.service.") &&
         (absl::StrContains(method, "DiscoveryService/Stream") || absl::StrContains(method, "DiscoveryService/Delta"));
}

}  // namespace

/** Takes every method, so that raw bytes can be sent; only discovery is served. */
class Server::Service : public grpc::CallbackGenericService {
 public:
  explicit Service(std::shared_ptr<State> state) : state_(std::move(state)) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return isDiscovery(context->method()) ? new StreamReactor(state_, context->method())
                                          : grpc::CallbackGenericService::CreateReactor(context);
  }

 private:
  const std::shared_ptr<State> state_;
};

/** What exists while the server listens. */
struct Server::Running {
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
  /** Sends what was delayed when it is due. */
  std::thread pacer;
};

Server::Server(std::string listen) : listen_(std::move(listen)), state_(std::make_shared<State>()) {}

Server::~Server() { stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::start(std::string listen) {
  std::unique_ptr<Server> server(new Server(std::move(listen)));
  if (absl::Status status = server->listen(); !status.ok()) {
    return status;
  }
  return server;
}

absl::Status Server::listen() {
  auto running = std::make_unique<Running>();
  running->service = std::make_unique<Service>(state_);
  grpc::ServerBuilder builder;
  int port = -1;
  builder.AddListeningPort(listen_, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.RegisterCallbackGenericService(running->service.get());
  running->server = builder.BuildAndStart();
  if (running->server == nullptr || port < 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", listen_));
  }
  if (!absl::StartsWith(listen_, "unix:") && port_ == 0) {
    port_ = static_cast<uint16_t>(port);
    listen_ = absl::StrCat(listen_.substr(0, listen_.rfind(':')), ":", port);
  }
  state_->ending = false;
  running->pacer = std::thread([state = state_] {
    std::unique_lock<std::mutex> lock(state->mutex);
    while (!state->ending) {
      auto next = std::chrono::steady_clock::now() + std::chrono::hours(1);
      for (const auto& [id, stream] : state->streams) {
        stream->pumpLocked();
        next = std::min(next, stream->dueLocked().value_or(next));
      }
      state->changed.wait_until(lock, next);
    }
  });
  running_ = std::move(running);
  return absl::OkStatus();
}

void Server::stop() {
  if (running_ == nullptr) {
    return;
  }
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
  }
  running_->pacer.join();
  // Ends the streams, too: nobody is waited for.
  running_->server->Shutdown(std::chrono::system_clock::now());
  running_->server->Wait();
  running_.reset();
}

absl::Status Server::restart() {
  stop();
  return listen();
}

std::string Server::typeUrl(const google::protobuf::Descriptor& type) {
  return absl::StrCat("type.googleapis.com/", type.full_name());
}

std::string Server::setResources(absl::string_view type_url, std::vector<google::protobuf::Any> resources,
                                 std::string version) {
  State::Snapshot next;
  for (google::protobuf::Any& resource : resources) {
    config::Violations ignored;
    const auto message = config::unpackAny(resource, config::FieldPath(), ignored);
    const std::string name = message == nullptr ? "" : xds::resourceName(*message);
    if (name.empty() || !next.resources.emplace(name, resource).second) {
      next.others.push_back(std::move(resource));
    }
  }
  std::lock_guard<std::mutex> lock(state_->mutex);
  State::Snapshot& snapshot = state_->snapshots[std::string(type_url)];
  next.serial = ++state_->last_serial;
  uint64_t number = 0;
  next.version = !version.empty() ? std::move(version)
                                  : absl::StrCat(absl::SimpleAtoi(snapshot.version, &number) ? number + 1 : 1);
  for (const auto& [name, resource] : next.resources) {
    const auto before = snapshot.resources.find(name);
    const bool same = before != snapshot.resources.end() && before->second.value() == resource.value();
    next.versions[name] = same ? snapshot.versions[name] : next.version;
  }
  snapshot = std::move(next);
  for (const auto& [id, stream] : state_->streams) {
    state_->answerLocked(*stream, std::string(type_url));
  }
  return snapshot.version;
}

std::string Server::send(envoy::service::discovery::v3::DiscoveryResponse response) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (response.nonce().empty()) {
    response.set_nonce(absl::StrCat("n", ++state_->last_nonce));
  }
  for (const auto& [id, stream] : state_->streams) {
    if (!stream->delta) {
      state_->sendLocked(*stream, response);
    }
  }
  return response.nonce();
}

std::string Server::send(envoy::service::discovery::v3::DeltaDiscoveryResponse response) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (response.nonce().empty()) {
    response.set_nonce(absl::StrCat("n", ++state_->last_nonce));
  }
  for (const auto& [id, stream] : state_->streams) {
    if (stream->delta) {
      state_->sendLocked(*stream, response);
    }
  }
  return response.nonce();
}

void Server::sendBytes(absl::string_view bytes) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  const grpc::Slice slice(bytes.data(), bytes.size());
  for (const auto& [id, stream] : state_->streams) {
    stream->enqueueLocked(grpc::ByteBuffer(&slice, 1));
  }
}

void Server::hold() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->held = true;
}

void Server::release() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->held = false;
  for (const auto& [id, stream] : state_->streams) {
    stream->pumpLocked();
  }
  state_->changed.notify_all();
}

void Server::setDelay(std::chrono::milliseconds delay) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->delay = delay;
}

void Server::breakStreams(grpc::Status status) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& [id, stream] : state_->streams) {
    stream->finishLocked(status);
  }
}

void Server::refuseStreams(std::optional<grpc::Status> status) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->refusal = std::move(status);
}

std::optional<Request> Server::expectRequest(absl::string_view type_url, std::chrono::milliseconds patience) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  size_t found = 0;
  const bool came = state_->changed.wait_for(lock, patience, [&] {
    for (found = 0; found < state_->requests.size(); ++found) {
      if (!state_->handed_out[found] && (type_url.empty() || state_->requests[found].type_url == type_url)) {
        return true;
      }
    }
    return false;
  });
  if (!came) {
    return std::nullopt;
  }
  state_->handed_out[found] = true;
  return state_->requests[found];
}

std::optional<Request> Server::waitForRequest(std::function<bool(const Request&)> matches,
                                              std::chrono::milliseconds patience) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  size_t looked_at = 0;
  const bool came = state_->changed.wait_for(lock, patience, [&] {
    for (; looked_at < state_->requests.size(); ++looked_at) {
      if (matches(state_->requests[looked_at])) {
        return true;
      }
    }
    return false;
  });
  return came ? std::optional<Request>(state_->requests[looked_at]) : std::nullopt;
}

bool Server::waitForAck(absl::string_view type_url, absl::string_view version, std::chrono::milliseconds patience) {
  return waitForRequest(
             [&](const Request& request) {
               return request.type_url == type_url && request.isAck() && request.answered_version == version;
             },
             patience)
      .has_value();
}

std::optional<std::string> Server::waitForNack(absl::string_view type_url, absl::string_view version,
                                               std::chrono::milliseconds patience) {
  const std::optional<Request> nack = waitForRequest(
      [&](const Request& request) {
        return request.type_url == type_url && request.isNack() && request.answered_version == version;
      },
      patience);
  return nack.has_value() ? std::optional<std::string>(nack->error->message()) : std::nullopt;
}

bool Server::waitForStreams(size_t opened, std::chrono::milliseconds patience) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return state_->last_stream >= opened; });
}

bool Server::waitUntilSent(std::chrono::milliseconds patience) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] {
    return std::all_of(state_->streams.begin(), state_->streams.end(),
                       [](const auto& stream) { return stream.second->allSentLocked(); });
  });
}

std::vector<Request> Server::requests() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->requests;
}

size_t Server::streamsOpened() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->last_stream;
}

size_t Server::openStreams() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->streams.size();
}

void Server::setObserver(std::function<void(const Event&)> observer) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->observer = std::move(observer);
}

}  // namespace sluice::control_plane_mock
