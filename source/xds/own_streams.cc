#include "source/xds/own_streams.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "source/config/canonical_key.h"
#include "source/xds/api_config_source.h"

namespace sluice::xds {

using envoy::config::core::v3::ApiConfigSource;

/** The last one to go takes the stream with it; it may go after the streams' owner. */
class OwnStreams::OwnSubscription : public Subscription {
 public:
  OwnSubscription(OwnStreams& owner, Key key, std::unique_ptr<Subscription> inner)
      : owner_(owner.anchor_.ref()), key_(std::move(key)), inner_(std::move(inner)) {}
  ~OwnSubscription() override {
    inner_.reset();
    if (owner_) {
      owner_->release(key_);
    }
  }
  void setNames(std::set<std::string> names) override { inner_->setNames(std::move(names)); }

 private:
  const base::WeakRef<OwnStreams> owner_;
  const Key key_;
  std::unique_ptr<Subscription> inner_;
};

OwnStreams::OwnStreams(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, base::Random& random,
                       envoy::config::core::v3::Node node, TransportFactory transports)
    : main_(main),
      root_(root),
      decoder_(decoder),
      random_(random),
      node_(std::move(node)),
      transports_(std::move(transports)) {}

OwnStreams::~OwnStreams() = default;

absl::StatusOr<std::unique_ptr<Subscription>> OwnStreams::subscribe(
    const ApiConfigSource& source, absl::string_view type_url, std::set<std::string> names,
    absl::string_view stat_prefix, std::chrono::milliseconds initial_fetch_timeout, ResourceWatcher& watcher) {
  Key key(type_url, config::canonicalBytes(source));
  auto found = streams_.find(key);
  if (found == streams_.end()) {
    auto opened = open(source, type_url, stat_prefix);
    if (!opened.ok()) {
      return opened.status();
    }
    found = streams_.emplace(key, *std::move(opened)).first;
  }
  OwnStream& stream = *found->second;
  ++stream.subscriptions;
  return std::make_unique<OwnSubscription>(
      *this, std::move(key),
      stream.mux->subscribe(type_url, std::move(names), stat_prefix, initial_fetch_timeout, watcher));
}

absl::StatusOr<std::unique_ptr<OwnStreams::OwnStream>> OwnStreams::open(const ApiConfigSource& source,
                                                                        absl::string_view type_url,
                                                                        absl::string_view stat_prefix) {
  auto config = readApiConfigSource(source, node_);
  if (!config.ok()) {
    return config.status();
  }
  const auto method = discoveryMethod(type_url, config->options.variant);
  if (!method.ok()) {
    return method.status();
  }
  auto transport = transports_(config->service, *method);
  if (!transport.ok()) {
    return absl::Status(transport.status().code(),
                        absl::StrCat("grpc_services[0].envoy_grpc.cluster_name: ", transport.status().message()));
  }
  config->options.stream.stat_scope = absl::StrCat(absl::StripSuffix(stat_prefix, "."), ".control_plane");
  auto stream = std::make_unique<OwnStream>();
  stream->mux = std::make_unique<Mux>(main_, root_, decoder_, random_, *std::move(transport),
                                      config->service.envoy_grpc().cluster_name(), std::move(config->options));
  if (pauses_.contains(type_url)) {
    stream->pause = stream->mux->pause(type_url);
  }
  return stream;
}

void OwnStreams::release(const Key& key) {
  const auto found = streams_.find(key);
  if (--found->second->subscriptions > 0) {
    return;
  }
  ended_.push_back(std::move(found->second));
  streams_.erase(found);
  main_.runNextTurn(*this);
}

std::shared_ptr<void> OwnStreams::pause(absl::string_view type_url) {
  const std::string type(type_url);
  if (++pauses_[type] == 1) {
    for (auto& [key, stream] : streams_) {
      if (key.first == type) {
        stream->pause = stream->mux->pause(type);
      }
    }
  }
  return std::shared_ptr<void>(this, [owner = anchor_.ref(), type](void*) {
    if (owner) {
      owner->endPause(type);
    }
  });
}

void OwnStreams::endPause(const std::string& type_url) {
  if (--pauses_[type_url] > 0) {
    return;
  }
  pauses_.erase(type_url);
  for (auto& [key, stream] : streams_) {
    if (key.first == type_url) {
      stream->pause.reset();
    }
  }
}

}  // namespace sluice::xds
