#include "source/tls/shared_secret.h"

#include <algorithm>
#include <chrono>

#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"

#include "source/base/logging.h"

namespace sluice::tls {
namespace {

/** Files that belong together are often moved one after the other. */
constexpr std::chrono::milliseconds kSettle{10};
/** Between two changes that users are told of. */
constexpr std::chrono::milliseconds kQuiet{20};

}  // namespace

absl::string_view kindOf(const envoy::extensions::transport_sockets::tls::v3::Secret& secret) {
  const google::protobuf::OneofDescriptor* kinds = secret.GetDescriptor()->FindOneofByName("type");
  const google::protobuf::FieldDescriptor* field = secret.GetReflection()->GetOneofFieldDescriptor(secret, kinds);
  return field == nullptr ? absl::string_view() : absl::string_view(field->name());
}

WatchedDirectory KindOf<ValidationContext>::watched(const ValidationContext::Proto& message) {
  if (message.has_watched_directory()) {
    return {message.watched_directory().path(), xds::FileWatcher::On::Moved};
  }
  envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig spiffe;
  if (message.custom_validator_config().typed_config().UnpackTo(&spiffe) && spiffe.trust_bundles().has_filename()) {
    return {xds::splitPath(spiffe.trust_bundles().filename()).first, xds::FileWatcher::On::AnyChange};
  }
  return {};
}

SharedSecret::SharedSecret(const SecretParts& parts, std::string name, Watch watch, stats::Counter key_rotation_failed)
    : parts_(parts), name_(std::move(name)), watch_(watch), key_rotation_failed_(key_rotation_failed) {}

SharedSecret::~SharedSecret() = default;

SharedSecret::Users SharedSecret::users() const {
  Users users;
  for (const auto& [defaults, weak] : users_) {
    if (std::shared_ptr<SecretUser> user = weak.lock()) {
      users.push_back(std::move(user));
    }
  }
  return users;
}

bool SharedSecret::prepare(const Users& users, const Message& message, const config::FieldPath& path, Reading& reading,
                           config::Violations& violations) const {
  bool good = true;
  bool named = false;
  {
    config::FilesRead files;
    for (const std::shared_ptr<SecretUser>& user : users) {
      good = user->prepare(message, path, violations) && good;
      if (!user->watched().directory.empty()) {
        named = true;
        reading.directories.emplace(user->watched().directory, user->watched().on);
      }
    }
    reading.files = files.take();
  }
  if (!good) {
    for (const std::shared_ptr<SecretUser>& user : users) {
      user->drop();
    }
    return false;
  }
  if (!named && watch_ == Watch::Files) {
    for (const config::FilesRead::File& file : reading.files) {
      reading.directories.emplace(xds::splitPath(file.path).first, xds::FileWatcher::On::Moved);
    }
  }
  return true;
}

bool SharedSecret::watchDirectories(const Reading& reading, const config::FieldPath& path,
                                    config::Violations& violations) {
  bool added = false;
  for (const auto& [directory, on] : reading.directories) {
    if (directories_.count(directory) > 0) {
      continue;
    }
    // Anything that is moved there counts: Kubernetes moves a link to the directory that the files are in.
    auto handle = parts_.file_watcher.watchDirectory(directory, on, [this](absl::string_view) { filesMoved(); });
    if (!handle.ok()) {
      violations.add(path, std::string(handle.status().message()));
      return false;
    }
    directories_.emplace(directory, *std::move(handle));
    added = true;
  }
  if (added) {
    // What was moved between the reading and the watching.
    filesMoved();
  }
  return true;
}

bool SharedSecret::replace(std::shared_ptr<const Message> message, const config::FieldPath& path,
                           config::Violations& violations) {
  const Users users = this->users();
  Reading reading;
  if (!prepare(users, *message, path, reading, violations)) {
    return false;
  }
  if (!watchDirectories(reading, path, violations)) {
    for (const std::shared_ptr<SecretUser>& user : users) {
      user->drop();
    }
    return false;
  }
  for (auto at = directories_.begin(); at != directories_.end();) {
    at = reading.directories.count(at->first) > 0 ? std::next(at) : directories_.erase(at);
  }
  message_ = std::move(message);
  files_ = std::move(reading.files);
  last_updated_ = parts_.main.systemNow();
  for (const std::shared_ptr<SecretUser>& user : users) {
    user->take();
  }
  tellSoon();
  return true;
}

bool SharedSecret::addUser(const std::shared_ptr<SecretUser>& user, const config::FieldPath& path,
                           config::Violations& violations) {
  Reading reading;
  if (!prepare({user}, *message_, path, reading, violations) || !watchDirectories(reading, path, violations)) {
    return false;
  }
  files_.insert(files_.end(), reading.files.begin(), reading.files.end());
  user->take();
  // Nobody holds it who would not see this content first.
  user->tell();
  return true;
}

void SharedSecret::filesMoved() {
  if (reload_timer_ == nullptr) {
    reload_timer_ = parts_.main.createTimer([this] { reload(); });
  }
  if (!reload_timer_->enabled()) {
    reload_timer_->enable(kSettle);
  }
}

void SharedSecret::reload() {
  if (message_ == nullptr || config::FilesRead::current(files_)) {
    return;
  }
  const Users users = this->users();
  Reading reading;
  config::Violations violations;
  if (!prepare(users, *message_, config::FieldPath(kindOf(*message_)), reading, violations)) {
    key_rotation_failed_.inc();
    LOG_WARNING(config, "the files of secret '{}' are refused, and what they held before stays: {}", name_,
                violations.toStatus(name_).message());
    return;
  }
  files_ = std::move(reading.files);
  last_updated_ = parts_.main.systemNow();
  LOG_DEBUG(config, "the files of secret '{}' are taken anew", name_);
  for (const std::shared_ptr<SecretUser>& user : users) {
    user->take();
  }
  tellSoon();
}

void SharedSecret::tellSoon() {
  const auto since = parts_.main.now() - told_;
  if (tell_timer_ != nullptr && tell_timer_->enabled()) {
    return;
  }
  if (since >= kQuiet) {
    tell();
    return;
  }
  if (tell_timer_ == nullptr) {
    tell_timer_ = parts_.main.createTimer([this] { tell(); });
  }
  tell_timer_->enable(std::chrono::duration_cast<std::chrono::milliseconds>(kQuiet - since) +
                      std::chrono::milliseconds(1));
}

void SharedSecret::tell() {
  told_ = parts_.main.now();
  // Whoever is told may let go of this.
  const std::shared_ptr<SharedSecret> self = shared_from_this();
  for (const std::shared_ptr<SecretUser>& user : users()) {
    user->tell();
  }
}

}  // namespace sluice::tls
