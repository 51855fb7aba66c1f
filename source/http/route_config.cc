#include "source/http/route_config.h"

#include <utility>

#include "source/http/route_reader.h"

namespace sluice::http {

class RouteTableBuilder::Work {
 public:
  Work(std::shared_ptr<const RouteConfiguration> message, const config::FieldPath& path, const RouteServices& services,
       bool validate_by_default)
      : path_(path),
        hosts_path_(path.field("virtual_hosts")),
        proto_(*message),
        table_(std::make_unique<RouteTable>()),
        reader_(std::move(message), services,
                proto_.has_validate_clusters() ? proto_.validate_clusters().value() : validate_by_default, *table_) {}

  /**
   *   Table --> Host <--> Routes
   *               |
   *               v
   *             Done
   */
  bool step() {
    switch (phase_) {
      case Phase::Table:
        reader_.readTable(path_, *table_);
        phase_ = Phase::Host;
        return true;
      case Phase::Host:
        if (next_host_ == proto_.virtual_hosts_size()) {
          table_->seal();
          phase_ = Phase::Done;
          return false;
        }
        host_path_ = hosts_path_.index(static_cast<size_t>(next_host_));
        routes_path_ = host_path_.field("routes");
        host_ = &table_->addHost();
        reader_.readVirtualHost(proto_.virtual_hosts(next_host_), host_path_, *table_, *host_);
        next_route_ = 0;
        phase_ = Phase::Routes;
        return true;
      case Phase::Routes: {
        const auto& host = proto_.virtual_hosts(next_host_);
        if (next_route_ < host.routes_size()) {
          const config::PathStep routes(routes_path_.toString());
          reader_.readRoute(host.routes(next_route_), config::PathStep(routes, static_cast<size_t>(next_route_)), host,
                            *host_);
          ++next_route_;
          return true;
        }
        host_->seal();
        ++next_host_;
        phase_ = Phase::Host;
        return true;
      }
      case Phase::Done:
        return false;
    }
    return false;
  }

  std::unique_ptr<RouteTable> take(config::Violations& violations) {
    violations.addAll(reader_.violations);
    return reader_.violations.empty() ? std::move(table_) : nullptr;
  }

 private:
  enum class Phase { Table, Host, Routes, Done };

  const config::FieldPath path_;
  const config::FieldPath hosts_path_;
  const RouteConfiguration& proto_;
  std::unique_ptr<RouteTable> table_;
  /** Keeps the message. */
  RouteReader reader_;
  Phase phase_ = Phase::Table;
  int next_host_ = 0;
  int next_route_ = 0;
  RoutedHost* host_ = nullptr;
  config::FieldPath host_path_;
  config::FieldPath routes_path_;
};

RouteTableBuilder::RouteTableBuilder(std::shared_ptr<const RouteConfiguration> message, const config::FieldPath& path,
                                     const RouteServices& services, bool validate_clusters)
    : work_(std::make_unique<Work>(std::move(message), path, services, validate_clusters)) {}

RouteTableBuilder::~RouteTableBuilder() = default;

bool RouteTableBuilder::step() { return work_->step(); }

std::unique_ptr<RouteTable> RouteTableBuilder::take(config::Violations& violations) { return work_->take(violations); }

std::unique_ptr<RouteTable> buildRouteTable(std::shared_ptr<const envoy::config::route::v3::RouteConfiguration> message,
                                            const config::FieldPath& path, const RouteServices& services,
                                            bool validate_clusters, config::Violations& violations) {
  RouteTableBuilder builder(std::move(message), path, services, validate_clusters);
  while (builder.step()) {
  }
  return builder.take(violations);
}

}  // namespace sluice::http
