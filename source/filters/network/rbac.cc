#include "source/filters/network/rbac.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"

#include "source/config/duration.h"
#include "source/event/deadline.h"
#include "source/filters/common/rbac/enforcement.h"
#include "source/net/connection.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::network::rbac::v3::RBAC;

constexpr absl::string_view kName = "envoy.filters.network.rbac";

struct RbacSettings {
  rbac::Rules rules;
  bool continuous = false;
  std::chrono::milliseconds delay_deny{0};
};

class RbacConfig : public net::NetworkFilterConfig {
 public:
  RbacConfig(RbacSettings settings, stats::ScopePtr scope)
      : settings(std::move(settings)),
        scope_(std::move(scope)),
        stats_(*scope_, {}, this->settings.rules.shadow_stat_prefix),
        structural_key_(config::contentKey("rbac")) {}
  /** Rules are live: a connection that was let in before they changed stays in, unless they are asked again. */
  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return false; }

  const rbac::Stats& stats() const { return stats_; }

  const RbacSettings settings;

 private:
  const stats::ScopePtr scope_;
  const rbac::Stats stats_;
  const config::ContentKey structural_key_;
};

/** Asks the rules with a connection's first bytes, or with all. A read filter of the connection, which owns it. */
class RbacFilter final : public net::ReadFilter, private event::Deadline {
 public:
  explicit RbacFilter(net::LiveFilterConfig& live) : live_(live) {}

  void initialize(net::ReadFilterCallbacks& callbacks) override { connection_ = &callbacks.connection(); }
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }

  net::FilterStatus onData(net::Buffer& data, bool) override {
    if (denied_) {
      data.clear();
      return net::FilterStatus::StopIteration;
    }
    const auto& config = live_.as<RbacConfig>();
    if (asked_ && !config.settings.continuous) {
      return net::FilterStatus::Continue;
    }
    asked_ = true;
    net::StreamInfo& info = connection_->streamInfo();
    const rbac::Query query{info};
    const rbac::Verdict verdict = rbac::enforce(config.settings.rules, config.stats(), kName, query, info);
    if (verdict.allowed) {
      return net::FilterStatus::Continue;
    }
    denied_ = true;
    data.clear();
    details_ = rbac::denialDetails(config.settings.rules.enforced->policyName(verdict));
    info.connection_termination_details = details_.c_str();
    if (config.settings.delay_deny.count() > 0) {
      connection_->readDisable(true);
      connection_->dispatcher().deadlines().set(*this, config.settings.delay_deny);
    } else {
      close();
    }
    return net::FilterStatus::StopIteration;
  }

 private:
  void onDeadline() override { close(); }
  void close() { connection_->close(net::CloseType::NoFlush, "rbac_deny_close"); }

  net::LiveFilterConfig& live_;
  net::Connection* connection_ = nullptr;
  /** Outlives the connection's access log, which is written before its filters go. */
  std::string details_;
  bool asked_ = false;
  bool denied_ = false;
};

void RbacConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<RbacFilter>(live));
}

class RbacFactory : public listener::NetworkFilterFactory {
 public:
  RbacFactory(event::Dispatcher& main, stats::ScopePtr root, const runtime::Snapshot& runtime)
      : main_(main), root_(std::move(root)), runtime_(runtime) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path, listener::FactoryContext&,
                                                         config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    RbacSettings settings;
    if (proto.has_rules()) {
      settings.rules.enforced = rbac::readEngine(proto.rules(), true, runtime_, path.field("rules"), violations);
    }
    if (proto.has_shadow_rules()) {
      settings.rules.shadow =
          rbac::readEngine(proto.shadow_rules(), true, runtime_, path.field("shadow_rules"), violations);
    }
    settings.rules.shadow_stat_prefix = proto.shadow_rules_stat_prefix();
    settings.continuous = proto.enforcement_type() == Proto::CONTINUOUS;
    settings.delay_deny = std::chrono::milliseconds(config::durationOr(proto.has_delay_deny(), proto.delay_deny(), 0));
    if (violations.size() != mistakes) {
      return nullptr;
    }
    stats::ScopePtr scope = root_->createScope(absl::StrCat(proto.stat_prefix(), ".rbac"));
    return event::ownedBy<const net::NetworkFilterConfig>(
        main_, std::make_unique<RbacConfig>(std::move(settings), std::move(scope)));
  }

 private:
  event::Dispatcher& main_;
  const stats::ScopePtr root_;
  const runtime::Snapshot& runtime_;
};

}  // namespace

std::unique_ptr<listener::NetworkFilterFactory> networkRbacFactory(event::Dispatcher& main, stats::ScopePtr root,
                                                                   const runtime::Snapshot& runtime) {
  return std::make_unique<RbacFactory>(main, std::move(root), runtime);
}

}  // namespace sluice::filters
