#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/stats/stats.h"
#include "source/xds/ads_mux.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/file_watcher.h"
#include "source/xds/subscription.h"

namespace sluice::xds {

/** ConfigSource.initial_fetch_timeout's default. */
inline constexpr std::chrono::milliseconds kInitialFetchTimeout(15000);

/** Subscriptions over the bootstrap's ADS stream and from files. Main thread; owned by the server. */
class ConfigSourceSubscriptions : public SubscriptionFactory {
 public:
  /** `ads` is null where the bootstrap has no ads_config. All of them outlive this. */
  ConfigSourceSubscriptions(event::Dispatcher& main, stats::Scope& root, DecoderThread& decoder, FileWatcher& files,
                            AdsMux* ads)
      : main_(main), root_(root), decoder_(decoder), files_(files), ads_(ads) {}

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
  AdsMux* const ads_;
};

}  // namespace sluice::xds
