#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/file_watcher.h"
#include "source/xds/mux.h"
#include "source/xds/own_streams.h"
#include "source/xds/subscription.h"

namespace sluice::xds {

/** ConfigSource.initial_fetch_timeout's default. */
inline constexpr std::chrono::milliseconds kInitialFetchTimeout(15000);

/** Subscriptions over the bootstrap's ADS stream, over streams of their own, and from files. Main thread; owned by the
 * server. */
class ConfigSourceSubscriptions : public SubscriptionFactory {
 public:
  /** `ads` is null where the bootstrap has no ads_config. All of them outlive this. */
  ConfigSourceSubscriptions(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, FileWatcher& files,
                            Mux* ads, OwnStreams& own)
      : main_(main), root_(root), decoder_(decoder), files_(files), ads_(ads), own_(own) {}

  absl::StatusOr<std::unique_ptr<Subscription>> subscribe(const envoy::config::core::v3::ConfigSource& source,
                                                          absl::string_view type_url, std::set<std::string> names,
                                                          absl::string_view stat_prefix,
                                                          ResourceWatcher& watcher) override;
  std::shared_ptr<void> pause(absl::string_view type_url) override;

 private:
  event::Dispatcher& main_;
  stats::Scope& root_;
  DecoderThread& decoder_;
  FileWatcher& files_;
  Mux* const ads_;
  OwnStreams& own_;
};

}  // namespace sluice::xds
