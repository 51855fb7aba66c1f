#include "source/xds/subscription_stats.h"

#include <string>

#include "absl/strings/strip.h"

#include "source/xds/version_hash.h"

namespace sluice::xds {

SubscriptionStats::SubscriptionStats(stats::Scope& root, absl::string_view prefix)
    : scope_(root.createScope(absl::StripSuffix(prefix, "."))),
      update_attempt_(scope_->counter("update_attempt")),
      update_success_(scope_->counter("update_success")),
      update_rejected_(scope_->counter("update_rejected")),
      update_failure_(scope_->counter("update_failure")),
      init_fetch_timeout_(scope_->counter("init_fetch_timeout")),
      update_time_(scope_->gauge("update_time")),
      version_(scope_->gauge("version")),
      update_duration_(scope_->histogram("update_duration", stats::Unit::Milliseconds)) {
  scope_->setText("version_text", "");
}

void SubscriptionStats::accepted(absl::string_view version, base::SystemTime now, std::chrono::milliseconds took) {
  update_attempt_.inc();
  update_success_.inc();
  update_time_.set(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count()));
  version_.set(versionHash(version));
  scope_->setText("version_text", std::string(version));
  update_duration_.record(static_cast<uint64_t>(took.count()));
}

void SubscriptionStats::rejected() {
  update_attempt_.inc();
  update_rejected_.inc();
}

void SubscriptionStats::failed() {
  update_attempt_.inc();
  update_failure_.inc();
}

void SubscriptionStats::timedOut() {
  update_attempt_.inc();
  init_fetch_timeout_.inc();
}

}  // namespace sluice::xds
