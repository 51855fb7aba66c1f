#include "source/filters/network/set_filter_state.h"

#include <utility>

#include "envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.pb.h"

#include "source/filters/common/filter_state_values.h"
#include "source/net/connection.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::network::set_filter_state::v3::Config;

class SetFilterStateConfig : public net::NetworkFilterConfig {
 public:
  explicit SetFilterStateConfig(FilterStateValues values)
      : values_(std::move(values)), structural_key_(config::contentKey("set_filter_state")) {}
  /** What it says concerns new connections. */
  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return false; }

  const FilterStateValues& values() const { return values_; }

 private:
  const FilterStateValues values_;
  const config::ContentKey structural_key_;
};

class SetFilterState final : public net::ReadFilter {
 public:
  explicit SetFilterState(net::LiveFilterConfig& live) : live_(live) {}

  void initialize(net::ReadFilterCallbacks& callbacks) override { connection_ = &callbacks.connection(); }
  net::FilterStatus onNewConnection() override {
    net::StreamInfo& info = connection_->streamInfo();
    const access_log::LogContext context{info, access_log::LogType::NotSet, nullptr, {}};
    live_.as<SetFilterStateConfig>().values().apply(context, info.makeExtras().filter_state);
    return net::FilterStatus::Continue;
  }
  net::FilterStatus onData(net::Buffer&, bool) override { return net::FilterStatus::Continue; }

 private:
  net::LiveFilterConfig& live_;
  net::Connection* connection_ = nullptr;
};

void SetFilterStateConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<SetFilterState>(live));
}

class SetFilterStateFactory : public listener::NetworkFilterFactory {
 public:
  SetFilterStateFactory(event::Dispatcher& main, const ConfigTools& tools) : main_(main), tools_(tools) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path, listener::FactoryContext&,
                                                         config::Violations& violations) const override {
    const size_t mistakes = violations.size();
    FilterStateValues values = FilterStateValues::read(static_cast<const Proto&>(message).on_new_connection(), tools_,
                                                       path.field("on_new_connection"), violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const net::NetworkFilterConfig>(main_,
                                                          std::make_unique<SetFilterStateConfig>(std::move(values)));
  }

 private:
  event::Dispatcher& main_;
  const ConfigTools tools_;
};

}  // namespace

std::unique_ptr<listener::NetworkFilterFactory> networkSetFilterStateFactory(event::Dispatcher& main,
                                                                             const ConfigTools& tools) {
  return std::make_unique<SetFilterStateFactory>(main, tools);
}

}  // namespace sluice::filters
