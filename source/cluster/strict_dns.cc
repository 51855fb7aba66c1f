#include "source/cluster/strict_dns.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "source/base/logging.h"

namespace sluice::cluster {

/** One name of the assignment. */
struct StrictDnsSource::Target {
  const EndpointSpec* spec = nullptr;
  bool resolved = false;
  uint32_t failures = 0;
  std::vector<net::Address> addresses;
  std::unique_ptr<event::Timer> timer;
  std::unique_ptr<DnsQuery> query;
};

StrictDnsSource::StrictDnsSource(std::string cluster_name, EndpointList names, const DnsSettings& settings,
                                 event::Dispatcher& main, DnsResolver& resolver, base::Random& random,
                                 Callbacks& callbacks)
    : cluster_name_(std::move(cluster_name)),
      names_(std::move(names)),
      settings_(settings),
      main_(main),
      resolver_(resolver),
      random_(random),
      callbacks_(callbacks) {}

StrictDnsSource::~StrictDnsSource() = default;

absl::Status StrictDnsSource::start() {
  for (const EndpointSpec& spec : names_.endpoints) {
    auto target = std::make_unique<Target>();
    target->spec = &spec;
    target->timer = main_.createTimer([this, target = target.get()] { resolve(*target); });
    targets_.push_back(std::move(target));
  }
  unresolved_ = targets_.size();
  if (targets_.empty()) {
    callbacks_.onWarm(*this);
    return absl::OkStatus();
  }
  for (const std::unique_ptr<Target>& target : targets_) {
    resolve(*target);
  }
  return absl::OkStatus();
}

std::string StrictDnsSource::waitsFor() const {
  std::string text = absl::StrCat("DNS names of ", cluster_name_);
  for (const std::unique_ptr<Target>& target : targets_) {
    if (!target->resolved) {
      absl::StrAppend(&text, " ", target->spec->dns_name);
    }
  }
  return text;
}

void StrictDnsSource::resolve(Target& target) {
  callbacks_.sourceStats(*this).update_attempt.inc();
  target.query = resolver_.resolve(target.spec->dns_name, settings_.family,
                                   [this, &target](DnsAnswer answer) { onAnswer(target, std::move(answer)); });
}

void StrictDnsSource::onAnswer(Target& target, DnsAnswer answer) {
  const ClusterStats& stats = callbacks_.sourceStats(*this);
  target.timer->enable(nextAfter(target, answer));
  bool changed = false;
  if (answer.status == DnsStatus::Failed) {
    stats.update_failure.inc();
    LOG_DEBUG(upstream, "cluster '{}': looking up '{}' failed: {}", cluster_name_, target.spec->dns_name,
              answer.details);
  } else {
    stats.update_success.inc();
    if (answer.addresses.empty()) {
      stats.update_empty.inc();
    }
    // In an order of their own, since servers rotate theirs: the same addresses are no change.
    std::sort(answer.addresses.begin(), answer.addresses.end(), [](const net::Address& a, const net::Address& b) {
      return a.kind() != b.kind() ? a.kind() < b.kind() : std::memcmp(a.bytes(), b.bytes(), 16) < 0;
    });
    answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()), answer.addresses.end());
    changed = answer.addresses != target.addresses;
    if (changed) {
      target.addresses = std::move(answer.addresses);
    } else if (target.resolved) {
      stats.update_no_rebuild.inc();
    }
  }
  if (!target.resolved) {
    target.resolved = true;
    --unresolved_;
    if (unresolved_ == 0) {
      publish();
      callbacks_.onWarm(*this);
      return;
    }
  }
  // While it warms, all names are waited for.
  if (changed && unresolved_ == 0) {
    publish();
  }
}

std::chrono::milliseconds StrictDnsSource::nextAfter(Target& target, const DnsAnswer& answer) {
  if (answer.status == DnsStatus::Failed && settings_.failure_base.has_value()) {
    const uint32_t doublings = std::min(target.failures++, 30u);
    const auto longest =
        std::min<std::chrono::milliseconds>(*settings_.failure_base * (int64_t{1} << doublings), settings_.failure_max);
    return std::chrono::milliseconds(1 + random_.below(static_cast<uint64_t>(longest.count())));
  }
  if (answer.status == DnsStatus::Completed) {
    target.failures = 0;
  }
  std::chrono::milliseconds after = settings_.refresh_rate;
  if (settings_.respect_ttl && answer.status == DnsStatus::Completed && answer.ttl.has_value() &&
      *answer.ttl > std::chrono::seconds(0)) {
    after = *answer.ttl;
  }
  if (settings_.jitter > std::chrono::milliseconds(0)) {
    after += std::chrono::milliseconds(random_.below(static_cast<uint64_t>(settings_.jitter.count())));
  }
  return after;
}

void StrictDnsSource::publish() {
  EndpointList list;
  list.localities = names_.localities;
  list.locality_weights = names_.locality_weights;
  list.overprovisioning_percent = names_.overprovisioning_percent;
  list.weighted_priority_health = names_.weighted_priority_health;
  list.assignment = names_.assignment;
  for (const std::unique_ptr<Target>& target : targets_) {
    for (const net::Address& address : target->addresses) {
      EndpointSpec spec = *target->spec;
      spec.address = address.withPort(spec.dns_port);
      list.endpoints.push_back(std::move(spec));
    }
  }
  callbacks_.onEndpoints(*this, std::move(list));
}

}  // namespace sluice::cluster
