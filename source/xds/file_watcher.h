#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"

namespace sluice::xds {

/**
 * Tells of files that appear in directories, by inotify. Directories are watched rather than files: what replaces a file
 * by renaming another over it, as everyone should, gives the file a new inode. Main thread; outlives what it gave out.
 */
class FileWatcher {
 public:
  enum class On {
    /** Something was renamed to a name in the directory: an atomic replacement. */
    Moved,
    /** That, or a file was written and closed, or removed. */
    AnyChange,
  };
  /** The name in the directory; empty if changes were so many that some were lost, so that anything may have changed. */
  using Callback = std::function<void(absl::string_view name)>;
  /** Ends the watching; may be destroyed in its callback. */
  class Handle {
   public:
    virtual ~Handle() = default;
  };

  static absl::StatusOr<std::unique_ptr<FileWatcher>> create(event::Dispatcher& dispatcher);
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;

  absl::StatusOr<std::unique_ptr<Handle>> watchDirectory(const std::string& directory, On on, Callback callback);

 private:
  class Entry;

  FileWatcher(event::Dispatcher& dispatcher, int fd);
  void onReadable();

  const int fd_;
  std::unique_ptr<event::FileEvent> event_;
  uint64_t last_id_ = 0;
  /** inotify gives one descriptor for one directory, however often it is watched. */
  std::map<int, std::map<uint64_t, Entry*>> entries_;
};

/** "/etc/x" and "y.yaml" of "/etc/x/y.yaml"; "." for a bare name. */
std::pair<std::string, std::string> splitPath(absl::string_view path);

}  // namespace sluice::xds
