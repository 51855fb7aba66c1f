#include "control_plane_mock/server_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"

namespace sluice::control_plane_mock {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

void Server::State::addStreamLocked(StreamReactor& stream) {
  stream.id = ++last_stream;
  streams.emplace(stream.id, &stream);
  tellLocked({Event::Kind::StreamOpened, stream.id, nullptr, "", "", 0});
  changed.notify_all();
}

void Server::State::streamDoneLocked(StreamReactor& stream) {
  streams.erase(stream.id);
  tellLocked({Event::Kind::StreamClosed, stream.id, nullptr, "", "", 0});
  changed.notify_all();
}

template <class Message>
Request Server::State::readLocked(StreamReactor& stream, const Message& message) {
  Request told;
  told.stream = stream.id;
  told.method = stream.method;
  told.delta = stream.delta;
  told.type_url = message.type_url();
  told.nonce = message.response_nonce();
  if (message.has_node()) {
    told.node = message.node();
  }
  if (message.has_error_detail()) {
    told.error = message.error_detail();
  }
  if (auto answered = sent.find(told.nonce); answered != sent.end()) {
    told.answered_version = answered->second.version;
    told.repeated = std::exchange(answered->second.answered, true);
  }
  return told;
}

void Server::State::noteLocked(StreamReactor& stream, const Request& request) {
  requests.push_back(request);
  handed_out.push_back(false);
  tellLocked({Event::Kind::Request, stream.id, &request, request.type_url, "", 0});
  changed.notify_all();
}

void Server::State::onRequestLocked(StreamReactor& stream, const DeltaDiscoveryRequest& request) {
  Request told = readLocked(stream, request);
  told.names.assign(request.resource_names_subscribe().begin(), request.resource_names_subscribe().end());
  told.unsubscribed.assign(request.resource_names_unsubscribe().begin(), request.resource_names_unsubscribe().end());
  told.initial_versions.insert(request.initial_resource_versions().begin(), request.initial_resource_versions().end());
  noteLocked(stream, told);

  const bool first = stream.interests.count(told.type_url) == 0;
  StreamReactor::Interest& interest = stream.interests[told.type_url];
  interest.versions.insert(told.initial_versions.begin(), told.initial_versions.end());
  interest.wildcard |= first && told.names.empty();
  interest.more |= first || !told.names.empty();
  for (const std::string& name : told.names) {
    interest.wildcard |= name == "*";
    interest.names.insert(name);
    // Who subscribes anew has nothing, unless it said so on this stream's first request.
    if (!first) {
      interest.versions.erase(name);
    }
  }
  for (const std::string& name : told.unsubscribed) {
    interest.wildcard &= name != "*";
    interest.names.erase(name);
    interest.versions.erase(name);
  }
  answerLocked(stream, told.type_url);
}

void Server::State::onRequestLocked(StreamReactor& stream, const DiscoveryRequest& request) {
  Request told = readLocked(stream, request);
  told.version = request.version_info();
  told.names.assign(request.resource_names().begin(), request.resource_names().end());
  noteLocked(stream, told);

  const bool first = stream.interests.count(told.type_url) == 0;
  StreamReactor::Interest& interest = stream.interests[told.type_url];
  // The answer to an older response: what it says of the names comes again with the answer to the newer one.
  if (!told.nonce.empty() && told.nonce != interest.nonce) {
    return;
  }
  std::set<std::string> names(told.names.begin(), told.names.end());
  // Without names in the first request all are meant, and from then on "*" says so.
  interest.wildcard = names.erase("*") > 0 || (told.names.empty() && (first || interest.wildcard));
  interest.more |= first || !std::includes(interest.names.begin(), interest.names.end(), names.begin(), names.end());
  interest.names = std::move(names);
  answerLocked(stream, told.type_url);
}

void Server::State::answerLocked(StreamReactor& stream, const std::string& type_url) {
  auto snapshot = snapshots.find(type_url);
  auto found = stream.interests.find(type_url);
  if (snapshot == snapshots.end() || found == stream.interests.end()) {
    return;
  }
  StreamReactor::Interest& interest = found->second;
  if (interest.serial == snapshot->second.serial && !interest.more) {
    return;
  }
  if (stream.delta) {
    return answerDeltaLocked(stream, type_url, snapshot->second);
  }
  DiscoveryResponse response;
  response.set_type_url(type_url);
  response.set_version_info(snapshot->second.version);
  for (const auto& [name, resource] : snapshot->second.resources) {
    if (interest.wildcard || interest.names.count(name) > 0) {
      *response.add_resources() = resource;
    }
  }
  for (const google::protobuf::Any& resource : snapshot->second.others) {
    *response.add_resources() = resource;
  }
  if (response.resources_size() == 0 && !interest.wildcard) {
    return;
  }
  interest.serial = snapshot->second.serial;
  interest.more = false;
  sendLocked(stream, std::move(response));
}

void Server::State::answerDeltaLocked(StreamReactor& stream, const std::string& type_url, const Snapshot& snapshot) {
  StreamReactor::Interest& interest = stream.interests[type_url];
  DeltaDiscoveryResponse response;
  response.set_type_url(type_url);
  response.set_system_version_info(snapshot.version);
  const auto add = [&](const std::string& name, const std::string& version, const google::protobuf::Any& resource) {
    auto* added = response.add_resources();
    added->set_name(name);
    added->set_version(version);
    *added->mutable_resource() = resource;
  };
  for (const auto& [name, resource] : snapshot.resources) {
    if (!interest.wildcard && interest.names.count(name) == 0) {
      continue;
    }
    const std::string& version = snapshot.versions.at(name);
    if (std::exchange(interest.versions[name], version) != version) {
      add(name, version, resource);
    }
  }
  for (const google::protobuf::Any& resource : snapshot.others) {
    add("", snapshot.version, resource);
  }
  for (auto known = interest.versions.begin(); known != interest.versions.end();) {
    if (snapshot.resources.count(known->first) > 0) {
      ++known;
      continue;
    }
    response.add_removed_resources(known->first);
    known = interest.versions.erase(known);
  }
  const bool first_of_all = interest.wildcard && interest.serial == 0;
  interest.serial = snapshot.serial;
  interest.more = false;
  if (first_of_all || response.resources_size() > 0 || response.removed_resources_size() > 0) {
    sendLocked(stream, std::move(response));
  }
}

void Server::State::sendLocked(StreamReactor& stream, DiscoveryResponse response) {
  const std::string version = response.version_info();
  writeLocked(stream, version, std::move(response));
}

void Server::State::sendLocked(StreamReactor& stream, DeltaDiscoveryResponse response) {
  const std::string version = response.system_version_info();
  writeLocked(stream, version, std::move(response));
}

template <class Response>
void Server::State::writeLocked(StreamReactor& stream, const std::string& version, Response response) {
  if (response.nonce().empty()) {
    response.set_nonce(absl::StrCat("n", ++last_nonce));
  }
  sent[response.nonce()] = {response.type_url(), version, false};
  if (auto interest = stream.interests.find(response.type_url()); interest != stream.interests.end()) {
    interest->second.nonce = response.nonce();
  }
  tellLocked({Event::Kind::Response, stream.id, nullptr, response.type_url(), version,
              static_cast<size_t>(response.resources_size())});
  const grpc::Slice bytes(response.SerializeAsString());
  stream.enqueueLocked(grpc::ByteBuffer(&bytes, 1));
}

Server::StreamReactor::StreamReactor(std::shared_ptr<State> state, std::string called)
    : method(std::move(called)), delta(absl::StrContains(method, "/Delta")), state_(std::move(state)) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->addStreamLocked(*this);
  if (state_->refusal.has_value()) {
    finishLocked(*state_->refusal);
    return;
  }
  // So that the client knows that it is connected before anything is to be said.
  StartSendInitialMetadata();
  StartRead(&incoming_);
}

void Server::StreamReactor::enqueueLocked(grpc::ByteBuffer message) {
  waiting_.push_back({std::chrono::steady_clock::now() + state_->delay, std::move(message)});
  pumpLocked();
  state_->changed.notify_all();
}

void Server::StreamReactor::pumpLocked() {
  if (writing_ || finished_ || state_->held || waiting_.empty() ||
      waiting_.front().due > std::chrono::steady_clock::now()) {
    return;
  }
  writing_ = true;
  StartWrite(&waiting_.front().message);
}

std::optional<std::chrono::steady_clock::time_point> Server::StreamReactor::dueLocked() const {
  if (waiting_.empty() || writing_ || finished_ || state_->held) {
    return std::nullopt;
  }
  return waiting_.front().due;
}

void Server::StreamReactor::finishLocked(const grpc::Status& status) {
  if (!std::exchange(finished_, true)) {
    Finish(status);
  }
}

template <class Message>
bool Server::StreamReactor::takeRequestLocked() {
  Message request;
  grpc::ProtoBufferReader reader(&incoming_);
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return false;
  }
  state_->onRequestLocked(*this, request);
  return true;
}

void Server::StreamReactor::OnReadDone(bool ok) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (!ok) {
    return finishLocked(grpc::Status::OK);
  }
  if (!(delta ? takeRequestLocked<DeltaDiscoveryRequest>() : takeRequestLocked<DiscoveryRequest>())) {
    return finishLocked(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "not a discovery request"));
  }
  incoming_.Clear();
  if (!finished_) {
    StartRead(&incoming_);
  }
}

void Server::StreamReactor::OnWriteDone(bool ok) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  writing_ = false;
  if (!ok) {
    return;
  }
  waiting_.pop_front();
  pumpLocked();
  state_->changed.notify_all();
}

void Server::StreamReactor::OnCancel() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  finishLocked(grpc::Status::CANCELLED);
}

void Server::StreamReactor::OnDone() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->streamDoneLocked(*this);
  }
  delete this;
}

}  // namespace sluice::control_plane_mock
