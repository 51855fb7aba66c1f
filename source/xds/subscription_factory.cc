#include "source/xds/subscription_factory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/config_source.pb.h"

#include "source/config/duration.h"
#include "source/xds/file_subscription.h"

namespace sluice::xds {

using envoy::config::core::v3::ConfigSource;

// V2 is named to be refused, and the deprecated `path` is still what many files say.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

absl::StatusOr<std::unique_ptr<Subscription>> ConfigSourceSubscriptions::subscribe(const ConfigSource& source,
                                                                                   absl::string_view type_url,
                                                                                   std::set<std::string> names,
                                                                                   absl::string_view stat_prefix,
                                                                                   ResourceWatcher& watcher) {
  if (source.resource_api_version() == envoy::config::core::v3::V2) {
    return absl::InvalidArgumentError("resource_api_version: V2 is gone; only V3 is spoken");
  }
  const auto file = [&](const std::string& path, const std::string& directory) {
    return FileSubscription::create(main_, root_, decoder_, files_, path, directory, type_url, std::move(names),
                                    stat_prefix, watcher);
  };
  const std::chrono::milliseconds timeout(config::durationOr(
      source.has_initial_fetch_timeout(), source.initial_fetch_timeout(), kInitialFetchTimeout.count()));
  switch (source.config_source_specifier_case()) {
    case ConfigSource::kAds:
      if (ads_ == nullptr) {
        return absl::InvalidArgumentError("ads: the bootstrap has no dynamic_resources.ads_config");
      }
      return ads_->subscribe(type_url, std::move(names), stat_prefix, timeout, watcher);
    case ConfigSource::kPathConfigSource:
      return file(source.path_config_source().path(), source.path_config_source().watched_directory().path());
    case ConfigSource::kPath:
      return file(source.path(), "");
    case ConfigSource::kApiConfigSource: {
      auto own = own_.subscribe(source.api_config_source(), type_url, std::move(names), stat_prefix, timeout, watcher);
      return own.ok() ? std::move(own)
                      : absl::Status(own.status().code(), absl::StrCat("api_config_source.", own.status().message()));
    }
    case ConfigSource::kSelf:
      return absl::UnimplementedError(
          "self: name the source itself: 'ads: {}', api_config_source or path_config_source");
    case ConfigSource::CONFIG_SOURCE_SPECIFIER_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a config source needs 'ads', 'api_config_source' or 'path_config_source'");
}

#pragma GCC diagnostic pop

std::shared_ptr<void> ConfigSourceSubscriptions::pause(absl::string_view type_url) {
  std::shared_ptr<void> own = own_.pause(type_url);
  if (ads_ == nullptr) {
    return own;
  }
  using Both = std::pair<std::shared_ptr<void>, std::shared_ptr<void>>;
  return std::make_shared<Both>(std::move(own), ads_->pause(type_url));
}

}  // namespace sluice::xds
