#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/delivery.h"
#include "source/xds/file_watcher.h"
#include "source/xds/subscription.h"
#include "source/xds/watch.h"

namespace sluice::xds {

/**
 * Resources from a file that holds a DiscoveryResponse as YAML, JSON, binary (.pb) or text (.pb_text) protobuf. The file
 * is read anew when another is renamed over it, or anything is renamed inside `watched_directory`; written in place it is
 * left alone, since it may be half written. A broken file changes nothing. Main thread; the watcher may destroy it in any
 * callback.
 */
class FileSubscription : public Subscription, private event::IntrusiveTask {
 public:
  /** Fails if the file does not exist or its directory cannot be watched. An empty `watched_directory` is the file's. */
  static absl::StatusOr<std::unique_ptr<Subscription>> create(event::Dispatcher& main, stats::Scope& root,
                                                              DecoderThread& decoder, FileWatcher& files,
                                                              std::string path, std::string watched_directory,
                                                              absl::string_view type_url, std::set<std::string> names,
                                                              absl::string_view stat_prefix, ResourceWatcher& watcher);
  ~FileSubscription() override;

  void setNames(std::set<std::string> names) override;

 private:
  FileSubscription(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, std::string path,
                   absl::string_view type_url, std::set<std::string> names, absl::string_view stat_prefix,
                   ResourceWatcher& watcher);

  void run() override;
  void onDecoded(DecodedResponse response);
  void onDelivered(std::vector<ResourceError> refused);
  void refuseMissingNames(DecodedResponse& response);
  void finished();
  void changed();

  event::Dispatcher& main_;
  DecoderThread& decoder_;
  const std::string path_;
  const std::string type_url_;
  Watch watch_;
  /** Outlives this subscription where it is destroyed in a callback of its delivery. */
  struct State : event::DeferredDeletable {
    explicit State(const std::string& type_url) : records(type_url) {}
    WatchTable watches;
    ResourceRecords records;
    std::unique_ptr<Delivery> delivery;
  };
  std::unique_ptr<State> state_;
  /** From reading the file to the verdict on it; what changes meanwhile is read afterwards. */
  bool busy_ = false;
  bool changed_ = false;
  std::unique_ptr<FileWatcher::Handle> handle_;
  const base::WeakAnchor<FileSubscription> anchor_{this};
};

}  // namespace sluice::xds
