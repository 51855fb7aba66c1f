#include "source/xds/file_subscription.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"

#include "source/base/logging.h"
#include "source/config/data_source.h"
#include "source/config/loader.h"
#include "source/xds/nack.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryResponse;

absl::Status parseFile(const std::string& path, const std::string& bytes, DiscoveryResponse& response,
                       config::SourceMap& locations) {
  if (absl::EndsWith(path, ".pb")) {
    return response.ParseFromString(bytes)
               ? absl::OkStatus()
               : absl::InvalidArgumentError("its bytes are no envoy.service.discovery.v3.DiscoveryResponse");
  }
  if (absl::EndsWith(path, ".pb_text")) {
    return google::protobuf::TextFormat::ParseFromString(bytes, &response)
               ? absl::OkStatus()
               : absl::InvalidArgumentError("its text is no envoy.service.discovery.v3.DiscoveryResponse");
  }
  config::Violations violations;
  config::ParseOptions options;
  options.format = config::formatOf(path);
  if (config::parseYaml(bytes, response, options, &locations, violations)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(violations.toString());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Subscription>> FileSubscription::create(
    event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, FileWatcher& files, std::string path,
    std::string watched_directory, absl::string_view type_url, std::set<std::string> names,
    absl::string_view stat_prefix, ResourceWatcher& watcher) {
  if (access(path.c_str(), F_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("the file '", path, "' cannot be read: ", strerror(errno)));
  }
  const auto [directory, name] = splitPath(path);
  std::unique_ptr<FileSubscription> subscription(
      new FileSubscription(main, root, decoder, path, type_url, std::move(names), stat_prefix, watcher));
  const bool any_name = !watched_directory.empty();
  auto handle = files.watchDirectory(any_name ? watched_directory : directory, FileWatcher::On::Moved,
                                     [file = subscription.get(), any_name, name = name](absl::string_view moved) {
                                       if (any_name || moved.empty() || moved == name) {
                                         file->changed();
                                       }
                                     });
  if (!handle.ok()) {
    return handle.status();
  }
  subscription->handle_ = *std::move(handle);
  // The watcher is not to be called before it has its subscription.
  main.runNextTurn(*subscription);
  return subscription;
}

FileSubscription::FileSubscription(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder,
                                   std::string path, absl::string_view type_url, std::set<std::string> names,
                                   absl::string_view stat_prefix, ResourceWatcher& watcher)
    : main_(main),
      decoder_(decoder),
      path_(std::move(path)),
      type_url_(type_url),
      watch_(main, 1, std::move(names), SubscriptionStats(root, stat_prefix), std::chrono::milliseconds(0), watcher),
      state_(std::make_unique<State>(type_url_)) {
  state_->watches.add(watch_);
}

FileSubscription::~FileSubscription() {
  state_->watches.remove(watch_);
  if (state_->delivery != nullptr) {
    state_->delivery->watchGone(watch_.id());
  }
  main_.deferredDelete(std::move(state_));
}

void FileSubscription::setNames(std::set<std::string> names) {
  state_->watches.setNames(watch_, std::move(names));
  changed();
}

void FileSubscription::changed() {
  changed_ = true;
  if (!busy_) {
    main_.runNextTurn(*this);
  }
}

void FileSubscription::run() {
  changed_ = false;
  config::Violations violations;
  std::optional<std::string> bytes = config::readFile(path_, config::FieldPath(), violations);
  if (!bytes.has_value()) {
    LOG_WARNING(config, "the file '{}' cannot be read; what it said before stays: {}", path_, violations.toString());
    watch_.stats().failed();
    // May destroy this subscription.
    watch_.watcher().onFetchFailure(FetchFailure::ConnectionFailure);
    return;
  }
  busy_ = true;
  auto read = [path = path_, bytes = *std::move(bytes)](DiscoveryResponse& response, config::SourceMap& locations) {
    return parseFile(path, bytes, response, locations);
  };
  decoder_.decode(std::move(read), type_url_, [self = anchor_.ref()](DecodedResponse response) mutable {
    if (self) {
      self->onDecoded(std::move(response));
    }
  });
}

void FileSubscription::onDecoded(DecodedResponse response) {
  if (response.status.ok() && response.type_url != type_url_) {
    response.status = absl::InvalidArgumentError(
        absl::StrCat("its type_url is '", response.type_url, "' where '", type_url_, "' is expected"));
  }
  if (!response.status.ok()) {
    LOG_WARNING(config, "the file '{}' is refused; what it said before stays: {}", path_, response.status.message());
    watch_.stats().rejected();
    finished();
    // May destroy this subscription.
    watch_.watcher().onFetchFailure(FetchFailure::Rejected);
    return;
  }
  for (Heartbeat& heartbeat : response.heartbeats) {
    response.errors.push_back(withoutBody(std::move(heartbeat)));
  }
  refuseMissingNames(response);
  Delivery& delivery =
      *(state_->delivery = std::make_unique<Delivery>(main_, state_->watches, state_->records, std::move(response),
                                                      [self = anchor_.ref()](std::vector<ResourceError> refused) {
                                                        if (self) {
                                                          self->onDelivered(std::move(refused));
                                                        }
                                                      }));
  delivery.start();
}

void FileSubscription::onDelivered(std::vector<ResourceError> refused) {
  if (!refused.empty()) {
    LOG_WARNING(config, "the file '{}' is refused, in part or whole: {}", path_, describeErrors(type_url_, refused));
  }
  DecodedResponse rest = state_->delivery->takeResponse();
  rest.errors = std::move(refused);
  decoder_.dispose(std::move(rest));
  state_->delivery.reset();
  finished();
}

void FileSubscription::refuseMissingNames(DecodedResponse& response) {
  absl::flat_hash_set<absl::string_view> present;
  for (const Resource& resource : response.resources) {
    present.insert(resource.name);
  }
  for (const ResourceError& error : response.errors) {
    present.insert(error.name);
  }
  std::vector<ResourceError> missing;
  for (const std::string& name : watch_.names()) {
    if (!present.contains(name)) {
      config::Violations violations;
      violations.add("", absl::StrCat("the file '", path_, "' has no resource of this name"));
      missing.push_back({name, std::move(violations)});
    }
  }
  for (ResourceError& error : missing) {
    response.errors.push_back(std::move(error));
  }
}

void FileSubscription::finished() {
  busy_ = false;
  if (changed_) {
    main_.runNextTurn(*this);
  }
}

}  // namespace sluice::xds
