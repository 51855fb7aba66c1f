#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"

#include "source/base/callback_list.h"
#include "source/base/clock.h"
#include "source/config/data_source.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/tls/certificate.h"
#include "source/tls/content_cache.h"
#include "source/tls/generic_secret.h"
#include "source/tls/secret_provider.h"
#include "source/tls/session_ticket_keys.h"
#include "source/tls/validation_context.h"
#include "source/xds/file_watcher.h"

namespace sluice::tls {

/** Where changes of a secret's files are looked for; "" for nowhere. */
struct WatchedDirectory {
  std::string directory;
  xds::FileWatcher::On on = xds::FileWatcher::On::Moved;
};

/** The kinds of secrets, by the field of Secret that holds each. */
template <class Content>
struct KindOf;
template <>
struct KindOf<Certificate> {
  static constexpr absl::string_view kField = "tls_certificate";
  static const Certificate::Proto* find(const envoy::extensions::transport_sockets::tls::v3::Secret& secret) {
    return secret.has_tls_certificate() ? &secret.tls_certificate() : nullptr;
  }
  static WatchedDirectory watched(const Certificate::Proto& message) {
    return {message.watched_directory().path(), xds::FileWatcher::On::Moved};
  }
};
template <>
struct KindOf<ValidationContext> {
  static constexpr absl::string_view kField = "validation_context";
  static const ValidationContext::Proto* find(const envoy::extensions::transport_sockets::tls::v3::Secret& secret) {
    return secret.has_validation_context() ? &secret.validation_context() : nullptr;
  }
  /** A file of trust bundles is watched without being asked to, as Envoy has it. */
  static WatchedDirectory watched(const ValidationContext::Proto& message);
};
template <>
struct KindOf<SessionTicketKeys> {
  static constexpr absl::string_view kField = "session_ticket_keys";
  static const SessionTicketKeys::Proto* find(const envoy::extensions::transport_sockets::tls::v3::Secret& secret) {
    return secret.has_session_ticket_keys() ? &secret.session_ticket_keys() : nullptr;
  }
  static WatchedDirectory watched(const SessionTicketKeys::Proto&) { return {}; }
};
template <>
struct KindOf<GenericSecret> {
  static constexpr absl::string_view kField = "generic_secret";
  static const GenericSecret::Proto* find(const envoy::extensions::transport_sockets::tls::v3::Secret& secret) {
    return secret.has_generic_secret() ? &secret.generic_secret() : nullptr;
  }
  static WatchedDirectory watched(const GenericSecret::Proto&) { return {}; }
};

/** The field that a secret has set; "" for none. */
absl::string_view kindOf(const envoy::extensions::transport_sockets::tls::v3::Secret& secret);

/** All contents in use. */
struct ContentCaches {
  ContentCache<Certificate> certificates;
  ContentCache<ValidationContext> validations;
  ContentCache<SessionTicketKeys> ticket_keys;
  ContentCache<GenericSecret> generics;

  ContentCache<Certificate>& of(const Certificate*) { return certificates; }
  ContentCache<ValidationContext>& of(const ValidationContext*) { return validations; }
  ContentCache<SessionTicketKeys>& of(const SessionTicketKeys*) { return ticket_keys; }
  ContentCache<GenericSecret>& of(const GenericSecret*) { return generics; }
};

/** What secrets are made with; all of it outlives them. */
struct SecretParts {
  event::Dispatcher& main;
  xds::FileWatcher& file_watcher;
  ContentCaches& contents;
};

/**
 * What one user, or several alike, make of a secret: its content, merged into their defaults. A new one is prepared
 * first, and taken when all users of the secret have theirs. Main thread.
 */
class SecretUser {
 public:
  using Message = envoy::extensions::transport_sockets::tls::v3::Secret;

  virtual ~SecretUser() = default;
  /** False, with violations, if the message makes no content. `path` is that of its kind's field. */
  virtual bool prepare(const Message& message, const config::FieldPath& path, config::Violations& violations) = 0;
  /** Of what was prepared; "" for none. */
  virtual const WatchedDirectory& watched() const = 0;
  virtual void take() = 0;
  virtual void drop() = 0;
  /** Tells those who hold the content of what was taken since the last time, if it is another. */
  virtual void tell() = 0;
};

/**
 * One secret, wherever it comes from, and all that is made of it. It is replaced as a whole or not at all: what one user
 * finds bad is bad for all. The files that it names are watched, read anew together when they are moved, and left alone
 * when they do not fit each other: the old content stays. Those who hold a content are told of the first change at once,
 * and of more that follow quickly only now and then, since each has contexts to build. Main thread; shared by its users;
 * may die in their callbacks.
 */
class SharedSecret : public std::enable_shared_from_this<SharedSecret> {
 public:
  using Message = SecretUser::Message;

  enum class Watch {
    /** watched_directory alone. */
    Named,
    /** Without one, the directories of the files: what SDS promises. */
    Files,
  };

  SharedSecret(const SecretParts& parts, std::string name, Watch watch, stats::Counter key_rotation_failed);
  virtual ~SharedSecret();
  SharedSecret(const SharedSecret&) = delete;

  /** False, with violations, if it is no good: the old one stays. `path` is that of its kind's field. */
  bool replace(std::shared_ptr<const Message> message, const config::FieldPath& path, config::Violations& violations);

  /** The content, or what it becomes with these defaults (null: none); null if what is there makes none. */
  template <class Content>
  std::shared_ptr<SecretProvider<Content>> use(const typename Content::Proto* defaults, const config::FieldPath& path,
                                               config::Violations& violations);

  const std::string& name() const { return name_; }
  /** Null before the first came. */
  const std::shared_ptr<const Message>& message() const { return message_; }
  /** When it, or a file of it, changed. */
  base::SystemTime lastUpdated() const { return last_updated_; }

 protected:
  event::Dispatcher& main() const { return parts_.main; }

 private:
  template <class Content>
  class User;
  using Users = std::vector<std::shared_ptr<SecretUser>>;

  /** What preparing has read. */
  struct Reading {
    std::vector<config::FilesRead::File> files;
    std::map<std::string, xds::FileWatcher::On> directories;
  };

  Users users() const;
  bool prepare(const Users& users, const Message& message, const config::FieldPath& path, Reading& reading,
               config::Violations& violations) const;
  bool watchDirectories(const Reading& reading, const config::FieldPath& path, config::Violations& violations);
  bool addUser(const std::shared_ptr<SecretUser>& user, const config::FieldPath& path, config::Violations& violations);
  void filesMoved();
  void reload();
  void tellSoon();
  void tell();

  const SecretParts parts_;
  const std::string name_;
  const Watch watch_;
  const stats::Counter key_rotation_failed_;
  std::shared_ptr<const Message> message_;
  base::SystemTime last_updated_;
  /** By their defaults. */
  std::map<std::string, std::weak_ptr<SecretUser>> users_;

  std::vector<config::FilesRead::File> files_;
  std::map<std::string, std::unique_ptr<xds::FileWatcher::Handle>> directories_;
  std::unique_ptr<event::Timer> reload_timer_;
  std::unique_ptr<event::Timer> tell_timer_;
  base::MonotonicTime told_;
};

template <class Content>
class SharedSecret::User final : public SecretProvider<Content>, public SecretUser {
 public:
  using Proto = typename Content::Proto;

  User(std::shared_ptr<SharedSecret> secret, ContentCache<Content>& cache, const Proto* defaults)
      : secret_(std::move(secret)), cache_(cache) {
    if (defaults != nullptr) {
      defaults_ = std::make_unique<Proto>(*defaults);
    }
  }

  std::shared_ptr<const Content> content() const override { return now_; }
  base::CallbackHandlePtr onChange(std::function<void()> changed) override { return changed_.add(std::move(changed)); }

  bool prepare(const Message& message, const config::FieldPath& path, config::Violations& violations) override {
    const Proto* mine = KindOf<Content>::find(message);
    std::optional<Proto> merged;
    if (defaults_ != nullptr) {
      merged = *defaults_;
      merged->MergeFrom(*mine);
      mine = &*merged;
    }
    next_watched_ = KindOf<Content>::watched(*mine);
    next_ = cache_.make(*mine, path, violations);
    return next_ != nullptr;
  }
  const WatchedDirectory& watched() const override { return next_watched_; }
  void take() override {
    untold_ = untold_ || next_ != now_;
    now_ = std::move(next_);
  }
  void drop() override { next_.reset(); }
  void tell() override {
    if (std::exchange(untold_, false)) {
      changed_.run();
    }
  }

 private:
  const std::shared_ptr<SharedSecret> secret_;
  ContentCache<Content>& cache_;
  std::unique_ptr<const Proto> defaults_;
  std::shared_ptr<const Content> now_;
  std::shared_ptr<const Content> next_;
  WatchedDirectory next_watched_;
  bool untold_ = false;
  base::CallbackList<> changed_;
};

template <class Content>
std::shared_ptr<SecretProvider<Content>> SharedSecret::use(const typename Content::Proto* defaults,
                                                           const config::FieldPath& path,
                                                           config::Violations& violations) {
  const std::string key = defaults == nullptr ? "" : config::canonicalBytes(*defaults);
  std::weak_ptr<SecretUser>& known = users_[key];
  // All users of one secret are of its kind.
  if (auto user = std::static_pointer_cast<User<Content>>(known.lock())) {
    return user;
  }
  const std::shared_ptr<User<Content>> user = event::ownedBy(
      parts_.main, std::make_unique<User<Content>>(shared_from_this(),
                                                   parts_.contents.of(static_cast<const Content*>(nullptr)), defaults));
  if (message_ != nullptr && !addUser(user, path, violations)) {
    return nullptr;
  }
  known = user;
  return user;
}

}  // namespace sluice::tls
