#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "source/config/canonical_key.h"
#include "source/config/data_source.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::tls {

/**
 * The contents of one kind that are in use, so that a secret held twice exists once: equal messages whose files hold the
 * same give the same content. It keeps nothing alive. Main thread; owned by Secrets.
 */
template <class Content>
class ContentCache {
 public:
  using Proto = typename Content::Proto;

  struct Made {
    std::shared_ptr<const Content> content;
    /** Equal to what was given. Held for as long as the content is, the next who comes with its equal gets the same. */
    std::shared_ptr<const Proto> message;
  };

  /** Without content, and with violations, if the message makes none. The files that it names are noted (FilesRead). */
  Made make(std::shared_ptr<const Proto> message, const config::FieldPath& path, config::Violations& violations) {
    const std::string canonical = config::canonicalBytes(*message);
    const config::ContentKey key = config::contentKey(canonical);
    if (const auto known = entries_.find(key); known != entries_.end()) {
      Made made{known->second.content.lock(), known->second.message.lock()};
      if (made.content != nullptr && made.message != nullptr && config::canonicalBytes(*made.message) == canonical &&
          config::FilesRead::current(known->second.files)) {
        return made;
      }
    }
    std::vector<config::FilesRead::File> files;
    Made made;
    {
      config::FilesRead reading;
      made = {Content::create(*message, path, violations), std::move(message)};
      files = reading.take();
    }
    config::FilesRead::note(files);
    if (made.content != nullptr) {
      sweep();
      entries_[key] = {made.content, made.message, std::move(files)};
    }
    return made;
  }

  /** In order of key, from the first after `after` on (null begins), until `visit` returns false. */
  void visit(const config::ContentKey* after,
             const std::function<bool(const config::ContentKey&, const Content&)>& visit) const {
    for (auto at = after == nullptr ? entries_.begin() : entries_.upper_bound(*after); at != entries_.end(); ++at) {
      const std::shared_ptr<const Content> content = at->second.content.lock();
      if (content != nullptr && !visit(at->first, *content)) {
        return;
      }
    }
  }

 private:
  struct Entry {
    std::weak_ptr<const Content> content;
    std::weak_ptr<const Proto> message;
    std::vector<config::FilesRead::File> files;
  };

  /** Forgets what has gone, once there may be as much of that as of what is there. */
  void sweep() {
    if (entries_.size() < sweep_at_) {
      return;
    }
    for (auto at = entries_.begin(); at != entries_.end();) {
      at = at->second.content.expired() ? entries_.erase(at) : std::next(at);
    }
    sweep_at_ = std::max<size_t>(kSmall, 2 * entries_.size());
  }

  static constexpr size_t kSmall = 64;

  std::map<config::ContentKey, Entry> entries_;
  size_t sweep_at_ = kSmall;
};

}  // namespace sluice::tls
