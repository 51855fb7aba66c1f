#include "source/xds/file_watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::xds {

class FileWatcher::Entry : public FileWatcher::Handle {
 public:
  Entry(FileWatcher& watcher, int descriptor, uint64_t id, On on, Callback callback)
      : watcher_(watcher), descriptor_(descriptor), id_(id), on_(on), callback_(std::move(callback)) {
    watcher_.entries_[descriptor_].emplace(id_, this);
  }
  ~Entry() override {
    auto found = watcher_.entries_.find(descriptor_);
    if (found == watcher_.entries_.end()) {
      return;
    }
    found->second.erase(id_);
    if (found->second.empty()) {
      watcher_.entries_.erase(found);
      inotify_rm_watch(watcher_.fd_, descriptor_);
    }
  }

  bool wants(uint32_t mask) const { return on_ == On::AnyChange || (mask & IN_MOVED_TO) != 0; }
  const Callback& callback() const { return callback_; }

 private:
  FileWatcher& watcher_;
  const int descriptor_;
  const uint64_t id_;
  const On on_;
  const Callback callback_;
};

absl::StatusOr<std::unique_ptr<FileWatcher>> FileWatcher::create(event::Dispatcher& dispatcher) {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    return absl::InternalError(absl::StrCat("inotify_init1: ", strerror(errno)));
  }
  return std::unique_ptr<FileWatcher>(new FileWatcher(dispatcher, fd));
}

FileWatcher::FileWatcher(event::Dispatcher& dispatcher, int fd)
    : fd_(fd), event_(dispatcher.createFileEvent(fd, event::Trigger::Level, event::ready::kRead, [this](uint32_t) {
        onReadable();
      })) {}

FileWatcher::~FileWatcher() {
  event_.reset();
  close(fd_);
}

absl::StatusOr<std::unique_ptr<FileWatcher::Handle>> FileWatcher::watchDirectory(const std::string& directory, On on,
                                                                                 Callback callback) {
  // The mask covers both kinds, since a second watch of a directory replaces the first one's mask.
  const int descriptor =
      inotify_add_watch(fd_, directory.c_str(), IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR);
  if (descriptor < 0) {
    return absl::NotFoundError(absl::StrCat("cannot watch the directory '", directory, "': ", strerror(errno)));
  }
  return std::make_unique<Entry>(*this, descriptor, ++last_id_, on, std::move(callback));
}

void FileWatcher::onReadable() {
  alignas(inotify_event) char buffer[16 * 1024];
  const ssize_t got = read(fd_, buffer, sizeof(buffer));
  for (ssize_t at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    // After an overflow, any file of any directory may have changed.
    const bool overflow = (event->mask & IN_Q_OVERFLOW) != 0;
    const std::string name(event->len > 0 ? event->name : "");
    // By id and looked up again: a callback may end any of the watches.
    std::vector<std::pair<int, uint64_t>> told;
    for (const auto& [descriptor, entries] : entries_) {
      for (const auto& [id, entry] : entries) {
        if (overflow || (descriptor == event->wd && entry->wants(event->mask))) {
          told.emplace_back(descriptor, id);
        }
      }
    }
    for (const auto& [descriptor, id] : told) {
      auto entries = entries_.find(descriptor);
      if (entries == entries_.end()) {
        continue;
      }
      if (auto entry = entries->second.find(id); entry != entries->second.end()) {
        const Callback callback = entry->second->callback();
        callback(name);
      }
    }
  }
}

std::pair<std::string, std::string> splitPath(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) {
    return {".", std::string(path)};
  }
  return {std::string(slash == 0 ? "/" : path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

}  // namespace sluice::xds
