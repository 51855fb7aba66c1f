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

  /** Null, with violations, if the message makes none. The files that it names are noted (FilesRead). */
  std::shared_ptr<const Content> make(const Proto& message, const config::FieldPath& path,
                                      config::Violations& violations) {
    const config::ContentKey key = config::contentKeyOf(message);
    if (const auto known = entries_.find(key); known != entries_.end()) {
      std::shared_ptr<const Content> content = known->second.content.lock();
      if (content != nullptr && config::FilesRead::current(known->second.files)) {
        return content;
      }
    }
    std::vector<config::FilesRead::File> files;
    std::shared_ptr<const Content> content;
    {
      config::FilesRead reading;
      content = Content::create(message, path, violations);
      files = reading.take();
    }
    config::FilesRead::note(files);
    if (content != nullptr) {
      sweep();
      entries_[key] = {content, std::move(files)};
    }
    return content;
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
