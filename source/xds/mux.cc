#include "source/xds/mux.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/proto_buffer_reader.h"

#include "source/base/assert.h"
#include "source/base/logging.h"
#include "source/xds/nack.h"

namespace sluice::xds {
namespace {

/** What the answer waits for when a version is refused for the second time; it doubles with each further time. */
constexpr std::chrono::milliseconds kFirstHesitation(50);
constexpr std::chrono::milliseconds kLongestHesitation(1000);
/** New subscriptions that are looked up among what is held in one turn. */
constexpr size_t kLateAtOnce = 500;

/** Where the type comes among others: clusters, their endpoints, listeners, their routes, the rest. */
size_t rankOf(absl::string_view type_url) {
  constexpr absl::string_view kOrder[] = {kClusterType, kEndpointType, kListenerType, kRouteType};
  return static_cast<size_t>(std::find(std::begin(kOrder), std::end(kOrder), type_url) - std::begin(kOrder));
}

template <class Response>
absl::Status parse(grpc::ByteBuffer& message, Response& response) {
  grpc::ProtoBufferReader reader(&message);
  if (!reader.status().ok() || !response.ParseFromZeroCopyStream(&reader)) {
    return absl::InvalidArgumentError(absl::StrCat("its bytes are no ", Response::descriptor()->full_name()));
  }
  return absl::OkStatus();
}

}  // namespace

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;

/** The end of a subscription is its destruction; it may come after the mux's, and in any callback. */
class Mux::MuxSubscription : public Subscription {
 public:
  MuxSubscription(Mux& mux, Type& type, std::unique_ptr<Watch> watch)
      : mux_(mux.anchor_.ref()), type_(type), watch_(std::move(watch)) {}
  ~MuxSubscription() override {
    if (mux_) {
      mux_->unsubscribe(type_, *watch_);
    }
  }
  void setNames(std::set<std::string> names) override {
    SLUICE_CHECK(!watch_->wildcard(), "a wildcard subscription has no names");
    if (mux_) {
      mux_->changeNames(type_, *watch_, std::move(names));
    }
  }

 private:
  const base::WeakRef<Mux> mux_;
  Type& type_;
  const std::unique_ptr<Watch> watch_;
};

class Mux::TurnTask : public event::IntrusiveTask {
 public:
  explicit TurnTask(Mux& mux) : mux_(mux) {}

 private:
  void run() override { mux_.turn(); }

  Mux& mux_;
};

Mux::Mux(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, base::Random& random,
         std::unique_ptr<Transport> transport, std::string name, Options options)
    : main_(main),
      root_(root),
      decoder_(decoder),
      options_(std::move(options)),
      scope_(root.createScope(options_.stream.stat_scope)),
      ignored_responses_(scope_->counter("ignored_responses")),
      turn_task_(std::make_unique<TurnTask>(*this)),
      stream_(main, root, random, std::move(transport), std::move(name), options_.stream, *this) {}

Mux::~Mux() = default;

std::unique_ptr<Subscription> Mux::subscribe(absl::string_view type_url, std::set<std::string> names,
                                             absl::string_view stat_prefix,
                                             std::chrono::milliseconds initial_fetch_timeout,
                                             ResourceWatcher& watcher) {
  SLUICE_CHECK(main_.isThreadSafe(), "subscriptions are main's");
  Type& type = typeOf(type_url);
  auto watch = std::make_unique<Watch>(main_, ++last_watch_, std::move(names), SubscriptionStats(root_, stat_prefix),
                                       initial_fetch_timeout, watcher);
  type.protocol->addInterest(watch->names());
  type.watches.add(*watch);
  // The server sends again only what is new to it: what others have asked for already comes from here.
  type.late.push_back(watch->id());
  auto subscription = std::make_unique<MuxSubscription>(*this, type, std::move(watch));
  stream_.start();
  scheduleTurn();
  return subscription;
}

void Mux::unsubscribe(Type& type, Watch& watch) {
  type.watches.remove(watch);
  if (watch.wildcard()) {
    type.protocol->removeInterest({});
  } else if (!watch.names().empty()) {
    type.protocol->removeInterest(watch.names());
    type.dropped.insert(type.dropped.end(), watch.names().begin(), watch.names().end());
  }
  if (delivery_ != nullptr && delivering_ == &type) {
    delivery_->watchGone(watch.id());
  }
  scheduleTurn();
}

void Mux::changeNames(Type& type, Watch& watch, std::set<std::string> names) {
  std::set<std::string> added, removed;
  std::set_difference(names.begin(), names.end(), watch.names().begin(), watch.names().end(),
                      std::inserter(added, added.end()));
  std::set_difference(watch.names().begin(), watch.names().end(), names.begin(), names.end(),
                      std::inserter(removed, removed.end()));
  type.watches.setNames(watch, std::move(names));
  if (!added.empty()) {
    type.protocol->addInterest(added);
    type.late.push_back(watch.id());
  }
  if (!removed.empty()) {
    type.protocol->removeInterest(removed);
    type.dropped.insert(type.dropped.end(), removed.begin(), removed.end());
  }
  scheduleTurn();
}

std::shared_ptr<void> Mux::pause(absl::string_view type_url) {
  ++pauses_[type_url];
  return std::shared_ptr<void>(this, [mux = anchor_.ref(), type = std::string(type_url)](void*) {
    if (mux && --mux->pauses_[type] == 0) {
      mux->pauses_.erase(type);
      mux->scheduleTurn();
    }
  });
}

Mux::Type* Mux::findType(absl::string_view type_url) {
  for (const std::unique_ptr<Type>& type : types_) {
    if (type->protocol->typeUrl() == type_url) {
      return type.get();
    }
  }
  return nullptr;
}

Mux::Type& Mux::typeOf(absl::string_view type_url) {
  if (Type* type = findType(type_url)) {
    return *type;
  }
  // Requests of one turn go out in this order: what a resource refers to after the resource itself, as in Envoy.
  const auto place = std::find_if(types_.begin(), types_.end(), [type_url](const std::unique_ptr<Type>& other) {
    return rankOf(other->protocol->typeUrl()) > rankOf(type_url);
  });
  Type& type = **types_.insert(place, std::make_unique<Type>(options_.variant, std::string(type_url)));
  type.expiry = main_.createTimer([this, &type] { expire(type); });
  if (stream_.isOpen()) {
    type.protocol->streamOpened();
  }
  return type;
}

void Mux::onStreamOpened() {
  node_sent_ = false;
  for (const std::unique_ptr<Type>& type : types_) {
    type->protocol->streamOpened();
  }
  scheduleTurn();
}

void Mux::onStreamClosed() {
  for (const std::unique_ptr<Type>& type : types_) {
    type->protocol->streamClosed();
    type->hesitation.reset();
    type->watches.forEach([](Watch& watch) { watch.stats().failed(); });
  }
}

void Mux::onStreamMessage(grpc::ByteBuffer message) {
  auto done = [mux = anchor_.ref(), stream = stream_.number()](DecodedResponse response) mutable {
    if (mux) {
      mux->arrived_.push_back({stream, std::move(response)});
      mux->scheduleTurn();
    }
  };
  if (options_.variant == Variant::Delta) {
    decoder_.decodeDelta(
        [message = std::move(message)](DeltaDiscoveryResponse& response) mutable { return parse(message, response); },
        std::move(done));
  } else {
    decoder_.decode([message = std::move(message)](DiscoveryResponse& response,
                                                   config::SourceMap&) mutable { return parse(message, response); },
                    "", std::move(done));
  }
}

void Mux::scheduleTurn() { main_.runNextTurn(*turn_task_); }

void Mux::turn() {
  // While an update is being applied it says more and more names: they go out together after it.
  if (delivery_ == nullptr) {
    sendRequests();
    deliverNext();
  }
}

void Mux::sendRequests() {
  if (!stream_.isOpen()) {
    return;
  }
  for (const std::unique_ptr<Type>& type : types_) {
    if (pauses_.count(type->protocol->typeUrl()) > 0 || (type->hesitation != nullptr && type->hesitation->enabled())) {
      continue;
    }
    for (const std::string& name : std::exchange(type->dropped, {})) {
      if (!type->protocol->wants(name)) {
        type->records.forget(name);
      }
    }
    while (type->protocol->wantsToSend()) {
      sendNext(*type->protocol, type->records);
    }
  }
}

void Mux::sendNext(TypeProtocol& protocol, const ResourceRecords& held) {
  const bool with_node = !node_sent_ || !options_.set_node_on_first_message_only;
  node_sent_ = true;
  stream_.send(protocol.nextRequest(with_node ? &options_.node : nullptr, held));
}

void Mux::deliverNext() {
  if (deliverLate()) {
    return;
  }
  while (!arrived_.empty()) {
    Arrived arrived = std::move(arrived_.front());
    arrived_.pop_front();
    if (!wanted(arrived)) {
      stream_.messageConsumed(arrived.stream);
      continue;
    }
    Type& type = *findType(arrived.response.type_url);
    resolveHeartbeats(type, arrived.response);
    delivering_ = &type;
    delivery_ = std::make_unique<Delivery>(
        main_, type.watches, type.records, std::move(arrived.response),
        [this, &type, stream = arrived.stream, expired = arrived.expired](std::vector<ResourceError> refused) {
          delivered(type, stream, expired, std::move(refused));
        });
    delivery_->start();
    return;
  }
}

bool Mux::deliverLate() {
  size_t left = kLateAtOnce;
  for (const std::unique_ptr<Type>& type : types_) {
    const auto begin = type->late.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(left, type->late.size()));
    const std::vector<uint64_t> now(begin, end);
    type->late.erase(begin, end);
    left -= now.size();
    std::vector<Delivery::Late> late;
    for (uint64_t id : now) {
      Watch* watch = type->watches.find(id);
      if (watch == nullptr) {
        continue;
      }
      Delivery::Late portion{id, {}, false};
      if (watch->wildcard()) {
        portion.full_state = type->protocol->informed();
        portion.resources = type->records.allHeld();
      }
      for (const std::string& name : watch->names()) {
        if (std::optional<Resource> held = type->records.held(name)) {
          portion.resources.push_back(*std::move(held));
        }
      }
      if (portion.full_state || !portion.resources.empty()) {
        late.push_back(std::move(portion));
      }
    }
    if (!late.empty()) {
      delivering_ = type.get();
      delivery_ = std::make_unique<Delivery>(main_, type->watches, type->records, std::move(late),
                                             [this](std::vector<ResourceError> refused) {
                                               delivery_.reset();
                                               deliveredLate(*delivering_, std::move(refused));
                                             });
      delivery_->start();
      return true;
    }
    if (left == 0) {
      scheduleTurn();
      return true;
    }
  }
  return false;
}

void Mux::deliveredLate(Type& type, std::vector<ResourceError> refused) {
  if (!refused.empty()) {
    const bool told = type.protocol->refuseLate(nackStatus(type.protocol->typeUrl(), refused));
    LOG_WARNING(config, "what was accepted before is refused by who asked for it later{}: {}",
                told ? "" : " (the server is not told: it has sent none of this on the stream that is open)",
                describeErrors(type.protocol->typeUrl(), refused));
    DecodedResponse rest;
    rest.errors = std::move(refused);
    decoder_.dispose(std::move(rest));
  }
  scheduleTurn();
}

bool Mux::wanted(Arrived& arrived) {
  if (arrived.expired) {
    return true;
  }
  DecodedResponse& response = arrived.response;
  const bool current = stream_.isOpen() && arrived.stream == stream_.number();
  if (!response.status.ok()) {
    if (current) {
      stream_.reset(absl::StrCat("a response cannot be read: ", response.status.message()));
    }
    return false;
  }
  if (current) {
    stream_.healthy();
    stream_.setIdentifier(response.control_plane);
  }
  if (response.unknown_type) {
    LOG_WARNING(config, "response refused: {}", describeErrors(response.type_url, response.errors));
    if (current) {
      const auto refusal = TypeProtocol::create(options_.variant, response.type_url);
      refusal->streamOpened();
      refusal->answer("", response.nonce, nackStatus(response.type_url, response.errors));
      sendNext(*refusal, ResourceRecords(response.type_url));
    }
    return false;
  }
  const Type* type = findType(response.type_url);
  // What was asked for on this stream is answered even if nobody wants it any more: the server waits for its nonce.
  if (type == nullptr || (current && !type->protocol->asked())) {
    LOG_WARNING(config, "response ignored, nobody has asked for its type: {}", response.type_url);
    ignored_responses_.inc();
    return false;
  }
  // The new stream was told what is here without this response, and answers with what is missing: what it takes back
  // meanwhile it could not name.
  return current || !response.delta || !type->protocol->asked();
}

void Mux::resolveHeartbeats(Type& type, DecodedResponse& response) {
  for (Heartbeat& heartbeat : response.heartbeats) {
    const std::string* const held = type.records.heldVersion(heartbeat.name);
    if (held != nullptr && *held == heartbeat.version) {
      type.records.extend(heartbeat.name, heartbeat.ttl, main_.now());
      response.partial = true;
    } else if (heartbeat.aliased) {
      response.removed.push_back(std::move(heartbeat.name));
    } else {
      response.errors.push_back(withoutBody(std::move(heartbeat)));
    }
  }
  response.heartbeats.clear();
}

void Mux::delivered(Type& type, uint64_t stream, bool expired, std::vector<ResourceError> refused) {
  DecodedResponse response = delivery_->takeResponse();
  delivery_.reset();
  armExpiry(type);
  if (expired) {
    decoder_.dispose(std::move(response));
    return scheduleTurn();
  }
  const bool current = stream_.isOpen() && stream == stream_.number();
  if (refused.empty()) {
    type.refused_version.clear();
    LOG_DEBUG(config, "{} version '{}' accepted", response.type_url, response.version);
    if (current) {
      type.protocol->answer(response.version, response.nonce, std::nullopt);
    } else {
      type.protocol->acceptedLate(response.version);
    }
  } else {
    LOG_WARNING(config, "{} version '{}' refused, in part or whole: {}", response.type_url, response.version,
                describeErrors(response.type_url, refused));
    if (current) {
      type.protocol->answer(response.version, response.nonce, nackStatus(response.type_url, refused));
      // Delta servers need not give the whole a version.
      hesitateIfRepeated(type, response.version.empty() ? refused.front().name : response.version);
    }
  }
  stream_.messageConsumed(stream);
  response.errors = std::move(refused);
  decoder_.dispose(std::move(response));
  scheduleTurn();
}

void Mux::hesitateIfRepeated(Type& type, const std::string& version) {
  if (version.empty() || type.refused_version != version) {
    type.refused_version = version;
    type.repetitions = 0;
    return;
  }
  if (type.hesitation == nullptr) {
    type.hesitation = main_.createTimer([this] { scheduleTurn(); });
  }
  type.hesitation->enable(std::min(kLongestHesitation, kFirstHesitation * (1 << std::min(type.repetitions, 10u))));
  ++type.repetitions;
}

void Mux::armExpiry(Type& type) {
  const base::MonotonicTime next = type.records.nextExpiry();
  if (next == base::MonotonicTime::max()) {
    type.expiry->disable();
  } else {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - main_.now());
    type.expiry->enable(std::max(left, std::chrono::milliseconds(0)));
  }
}

void Mux::expire(Type& type) {
  Arrived over;
  over.expired = true;
  over.response.delta = true;
  over.response.type_url = type.protocol->typeUrl();
  over.response.removed = type.records.expired(main_.now());
  if (over.response.removed.empty()) {
    return armExpiry(type);
  }
  LOG_WARNING(config, "{} resources of {} were not renewed in their time to live, and go", over.response.removed.size(),
              type.protocol->typeUrl());
  arrived_.push_back(std::move(over));
  scheduleTurn();
}

std::vector<Mux::TypeStatus> Mux::types() const {
  std::vector<TypeStatus> list;
  for (const std::unique_ptr<Type>& type : types_) {
    const TypeProtocol& protocol = *type->protocol;
    list.push_back({protocol.typeUrl(), protocol.version(), protocol.nonce(), protocol.wildcard(),
                    pauses_.count(protocol.typeUrl()) > 0, type->watches.size(), type->records.size()});
  }
  return list;
}

std::vector<ResourceStatus> Mux::resources(absl::string_view type_url, absl::string_view after, size_t limit) const {
  Type* type = const_cast<Mux*>(this)->findType(type_url);
  if (type == nullptr) {
    return {};
  }
  std::vector<ResourceStatus> list = type->records.list(after, limit);
  // Those that nothing is known of but that they are wanted, as far as the list goes.
  const std::map<std::string, uint32_t>& names = type->protocol->names();
  std::vector<ResourceStatus> requested;
  for (auto name = after.empty() ? names.begin() : names.upper_bound(std::string(after));
       name != names.end() && requested.size() < limit; ++name) {
    ResourceStatus status;
    status.name = name->first;
    requested.push_back(std::move(status));
  }
  const size_t known = list.size();
  list.insert(list.end(), std::make_move_iterator(requested.begin()), std::make_move_iterator(requested.end()));
  const auto by_name = [](const ResourceStatus& a, const ResourceStatus& b) { return a.name < b.name; };
  // Stable, so that of two with one name the known one stays.
  std::inplace_merge(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(known), list.end(), by_name);
  list.erase(std::unique(list.begin(), list.end(),
                         [](const ResourceStatus& a, const ResourceStatus& b) { return a.name == b.name; }),
             list.end());
  if (list.size() > limit) {
    list.resize(limit);
  }
  return list;
}

}  // namespace sluice::xds
