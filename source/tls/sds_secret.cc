#include "source/tls/sds_secret.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/logging.h"

namespace sluice::tls {

SdsSecret::SdsSecret(const SecretParts& parts, stats::ScopePtr scope, std::string name, absl::string_view kind)
    : SharedSecret(parts, name, Watch::Files, scope->counter("key_rotation_failed")),
      main_(parts.main),
      scope_(std::move(scope)),
      kind_(kind),
      made_(parts.main.systemNow()),
      first_(absl::StrCat("SdsApi ", name), nullptr) {}

absl::Status SdsSecret::subscribe(xds::SubscriptionFactory& subscriptions,
                                  const envoy::config::core::v3::ConfigSource& source, const std::string& stat_prefix) {
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
      subscriptions.subscribe(source, xds::kSecretType, {name()}, stat_prefix, *this);
  if (!subscription.ok()) {
    return subscription.status();
  }
  subscription_ = *std::move(subscription);
  return absl::OkStatus();
}

SecretView SdsSecret::view() const {
  SecretView view;
  view.name = name();
  view.dynamic = true;
  view.version = message() == nullptr ? "uninitialized" : version_;
  view.last_updated = message() == nullptr ? made_ : lastUpdated();
  view.message = message();
  view.failure = failure_;
  return view;
}

void SdsSecret::onUpdate(xds::Update update, xds::UpdateDone done) {
  const xds::Resource* mine = nullptr;
  for (const xds::Resource& resource : update.resources) {
    if (resource.name == name()) {
      mine = &resource;
    }
  }
  // Whoever is told of a change, or gets ready, may let go of this.
  const std::shared_ptr<SharedSecret> self = shared_from_this();
  std::vector<xds::ResourceError> errors;
  if (mine == nullptr) {
    // A secret is taken out of use by taking what names it. One that the server does not have is not waited for.
    LOG_DEBUG(config, "sds: the server has no secret '{}'{}", name(),
              message() == nullptr ? "" : "; the old one stays");
    if (update.removed.empty()) {
      done({});
      return;
    }
  } else {
    config::Violations violations;
    if (take(*mine, violations)) {
      version_ = update.version;
      failure_.reset();
    } else {
      LOG_WARNING(config, "sds: '{}' of version '{}' is refused: {}", name(), update.version,
                  violations.toStatus(name()).message());
      errors.push_back({name(), std::move(violations), mine->message});
      noteFailure(errors.front(), update.version);
    }
  }
  done(std::move(errors));
  readyOnceSent();
}

void SdsSecret::readyOnceSent() {
  if (first_.isReady()) {
    return;
  }
  main_.post([weak = weak_from_this(), &main = main_] {
    main.post([weak] {
      if (const auto self = weak.lock()) {
        static_cast<SdsSecret&>(*self).first_.ready();
      }
    });
  });
}

bool SdsSecret::take(const xds::Resource& resource, config::Violations& violations) {
  if (resource.key == key_) {
    return true;
  }
  auto secret = std::static_pointer_cast<const Message>(resource.message);
  const absl::string_view kind = kindOf(*secret);
  if (kind != kind_) {
    violations.add(config::FieldPath(kind), kind.empty() ? absl::StrCat("the secret is empty, not a ", kind_)
                                                         : absl::StrCat("the secret must be a ", kind_));
    return false;
  }
  if (!replace(std::move(secret), config::FieldPath(kind), violations)) {
    return false;
  }
  key_ = resource.key;
  return true;
}

void SdsSecret::onFetchFailure(xds::FetchFailure reason) {
  const std::shared_ptr<SharedSecret> self = shared_from_this();
  if (!first_.isReady()) {
    LOG_WARNING(config, "sds: '{}' {}: what needs it refuses connections until it comes", name(),
                reason == xds::FetchFailure::Timeout    ? "did not come in time"
                : reason == xds::FetchFailure::Rejected ? "is broken"
                                                        : "could not be had");
  }
  first_.ready();
}

void SdsSecret::onUndecodable(const xds::ResourceError& error, absl::string_view version, bool) {
  if (error.name == name()) {
    noteFailure(error, version);
  }
}

void SdsSecret::noteFailure(const xds::ResourceError& error, absl::string_view version) {
  failure_ = SecretView::Failure{error.message, main().systemNow(),
                                 std::string(error.violations.toStatus(error.name).message()), std::string(version)};
}

}  // namespace sluice::tls
