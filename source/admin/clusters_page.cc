#include "source/admin/clusters_page.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/admin/v3/clusters.pb.h"

#include "source/admin/json_list.h"
#include "source/admin/main_body.h"
#include "source/admin/proto_values.h"

namespace sluice::admin {
namespace {

using cluster::EdsHealth;
using cluster::EndpointSet;
using cluster::Thresholds;
using envoy::config::core::v3::RoutingPriority;

/** What main hands over: the endpoints themselves are for any thread. */
struct Item {
  std::string name;
  std::string observability_name;
  std::string eds_service_name;
  Thresholds normal;
  Thresholds high;
  bool added_via_api = false;
  std::shared_ptr<const EndpointSet> endpoints;
  /** By group and endpoint of the assignment; empty if there are none. */
  std::vector<std::vector<bool>> canaries;

  // The renderer's place.
  bool head_done = false;
  size_t next_endpoint = 0;

  bool isCanary(const EndpointSet::Entry& entry) const {
    return entry.group_index < canaries.size() && entry.endpoint_index < canaries[entry.group_index].size() &&
           canaries[entry.group_index][entry.endpoint_index];
  }
};

/** An endpoint's counts under Envoy's names. */
struct EndpointCounts {
  explicit EndpointCounts(const cluster::Endpoint& endpoint)
      : cx_active(endpoint.counts().cx_active.load(std::memory_order_relaxed)),
        cx_connect_fail(endpoint.counts().cx_connect_fail.load(std::memory_order_relaxed)),
        cx_total(endpoint.counts().cx_total.load(std::memory_order_relaxed)),
        requests(endpoint.requestCounts()) {}
  const uint64_t cx_active;
  const uint64_t cx_connect_fail;
  const uint64_t cx_total;
  const cluster::RequestCounts requests;
};

class TextRenderer : public Renderer<Item> {
 public:
  bool render(Item& item, std::string& out) override {
    if (!item.head_done) {
      item.head_done = true;
      renderHead(item, out);
    }
    if (item.endpoints == nullptr) {
      return true;
    }
    const std::vector<EndpointSet::Entry>& entries = item.endpoints->entries();
    while (item.next_endpoint < entries.size() && out.size() < Body::kPieceBytes) {
      renderEndpoint(item, entries[item.next_endpoint++], out);
    }
    return item.next_endpoint == entries.size();
  }

 private:
  static void renderThresholds(absl::string_view prefix, const Thresholds& thresholds, std::string& out) {
    absl::StrAppend(&out, prefix, "max_connections::", thresholds.max_connections, "\n");
    absl::StrAppend(&out, prefix, "max_pending_requests::", thresholds.max_pending_requests, "\n");
    absl::StrAppend(&out, prefix, "max_requests::", thresholds.max_requests, "\n");
    absl::StrAppend(&out, prefix, "max_retries::", thresholds.max_retries, "\n");
  }

  static void renderHead(const Item& item, std::string& out) {
    absl::StrAppend(&out, item.name, "::observability_name::", item.observability_name, "\n");
    renderThresholds(absl::StrCat(item.name, "::default_priority::"), item.normal, out);
    renderThresholds(absl::StrCat(item.name, "::high_priority::"), item.high, out);
    absl::StrAppend(&out, item.name, "::added_via_api::", item.added_via_api ? "true" : "false", "\n");
    if (!item.eds_service_name.empty()) {
      absl::StrAppend(&out, item.name, "::eds_service_name::", item.eds_service_name, "\n");
    }
  }

  static void renderEndpoint(const Item& item, const EndpointSet::Entry& entry, std::string& out) {
    const std::string prefix = absl::StrCat(item.name, "::", *entry.endpoint->name(), "::");
    const EndpointCounts counts(*entry.endpoint);
    const cluster::Locality& locality = item.endpoints->localities()[entry.locality];
    const auto line = [&](absl::string_view key, const auto& value) {
      absl::StrAppend(&out, prefix, key, "::", value, "\n");
    };
    line("cx_active", counts.cx_active);
    line("cx_connect_fail", counts.cx_connect_fail);
    line("cx_total", counts.cx_total);
    line("rq_active", counts.requests.active);
    line("rq_error", counts.requests.error);
    line("rq_pending_active", counts.requests.pending);
    line("rq_success", counts.requests.success);
    line("rq_timeout", counts.requests.timeout);
    line("rq_total", counts.requests.total);
    line("hostname", entry.endpoint->hostname());
    line("health_flags", cluster::healthFlags(entry.health));
    line("weight", entry.weight);
    line("region", locality.region);
    line("zone", locality.zone);
    line("sub_zone", locality.sub_zone);
    line("canary", item.isCanary(entry) ? "true" : "false");
    line("priority", entry.priority);
    line("success_rate", -1);
    line("local_origin_success_rate", -1);
  }
};

envoy::config::core::v3::HealthStatus toProto(EdsHealth health) {
  switch (health) {
    case EdsHealth::Unknown:
    case EdsHealth::Healthy:
      return envoy::config::core::v3::HEALTHY;
    case EdsHealth::Unhealthy:
      return envoy::config::core::v3::UNHEALTHY;
    case EdsHealth::Draining:
      return envoy::config::core::v3::DRAINING;
    case EdsHealth::Timeout:
      return envoy::config::core::v3::TIMEOUT;
    case EdsHealth::Degraded:
      return envoy::config::core::v3::DEGRADED;
  }
  return envoy::config::core::v3::UNKNOWN;
}

class JsonRenderer : public Renderer<Item> {
 public:
  explicit JsonRenderer(JsonPrinter& printer) : printer_(printer) {}

  bool render(Item& item, std::string& out) override {
    if (!item.head_done) {
      item.head_done = true;
      list_.next(out);
      absl::StrAppend(&out, "{\n   \"name\": ");
      appendJsonString(item.name, out);
    }
    const size_t count = item.endpoints == nullptr ? 0 : item.endpoints->entries().size();
    while (item.next_endpoint < count && out.size() < Body::kPieceBytes) {
      out += item.next_endpoint == 0 ? ",\n   \"host_statuses\": [\n    " : ",\n    ";
      renderEndpoint(item, item.endpoints->entries()[item.next_endpoint++], out);
    }
    if (item.next_endpoint < count) {
      return false;
    }
    if (count > 0) {
      out += "\n   ]";
    }
    renderRest(item, out);
    return true;
  }
  void end(std::string& out) override { list_.end(out); }

 private:
  void renderEndpoint(const Item& item, const EndpointSet::Entry& entry, std::string& out) {
    envoy::admin::v3::HostStatus status;
    admin::toProto(entry.endpoint->address(), *status.mutable_address());
    const EndpointCounts counts(*entry.endpoint);
    const auto metric = [&status](const char* name, uint64_t value, envoy::admin::v3::SimpleMetric::Type type) {
      envoy::admin::v3::SimpleMetric& stat = *status.add_stats();
      stat.set_name(name);
      stat.set_value(value);
      stat.set_type(type);
    };
    metric("cx_connect_fail", counts.cx_connect_fail, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("cx_total", counts.cx_total, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("rq_error", counts.requests.error, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("rq_success", counts.requests.success, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("rq_timeout", counts.requests.timeout, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("rq_total", counts.requests.total, envoy::admin::v3::SimpleMetric::COUNTER);
    metric("cx_active", counts.cx_active, envoy::admin::v3::SimpleMetric::GAUGE);
    metric("rq_active", counts.requests.active, envoy::admin::v3::SimpleMetric::GAUGE);
    metric("rq_pending_active", counts.requests.pending, envoy::admin::v3::SimpleMetric::GAUGE);
    status.mutable_health_status()->set_eds_health_status(toProto(entry.health));
    status.set_weight(entry.weight);
    status.set_priority(entry.priority);
    status.set_hostname(entry.endpoint->hostname());
    const cluster::Locality& locality = item.endpoints->localities()[entry.locality];
    status.mutable_locality()->set_region(locality.region);
    status.mutable_locality()->set_zone(locality.zone);
    status.mutable_locality()->set_sub_zone(locality.sub_zone);
    printer_.append(status, 4, out);
  }

  static void setThresholds(const Thresholds& from, RoutingPriority priority,
                            envoy::config::cluster::v3::CircuitBreakers& breakers) {
    auto& thresholds = *breakers.add_thresholds();
    thresholds.set_priority(priority);
    thresholds.mutable_max_connections()->set_value(from.max_connections);
    thresholds.mutable_max_pending_requests()->set_value(from.max_pending_requests);
    thresholds.mutable_max_requests()->set_value(from.max_requests);
    thresholds.mutable_max_retries()->set_value(from.max_retries);
  }

  /** The fields after the endpoints, taken out of a message's own braces. */
  void renderRest(const Item& item, std::string& out) {
    envoy::admin::v3::ClusterStatus status;
    status.set_added_via_api(item.added_via_api);
    setThresholds(item.normal, envoy::config::core::v3::DEFAULT, *status.mutable_circuit_breakers());
    setThresholds(item.high, envoy::config::core::v3::HIGH, *status.mutable_circuit_breakers());
    status.set_observability_name(item.observability_name);
    status.set_eds_service_name(item.eds_service_name);
    std::string object;
    printer_.append(status, JsonList::kElementIndent, object);
    absl::StrAppend(&out, ",", absl::string_view(object).substr(1));
  }

  JsonPrinter& printer_;
  JsonList list_{"cluster_statuses"};
};

bool saysCanary(const envoy::config::core::v3::Metadata& metadata) {
  const auto filter = metadata.filter_metadata().find("envoy.lb");
  if (filter == metadata.filter_metadata().end()) {
    return false;
  }
  const auto canary = filter->second.fields().find("canary");
  return canary != filter->second.fields().end() && canary->second.bool_value();
}

std::vector<std::vector<bool>> findCanaries(const envoy::config::endpoint::v3::ClusterLoadAssignment& assignment) {
  std::vector<std::vector<bool>> canaries;
  for (int group = 0; group < assignment.endpoints_size(); ++group) {
    const auto& endpoints = assignment.endpoints(group).lb_endpoints();
    for (int i = 0; i < endpoints.size(); ++i) {
      if (endpoints[i].has_metadata() && saysCanary(endpoints[i].metadata())) {
        canaries.resize(assignment.endpoints_size());
        canaries[group].resize(endpoints.size());
        canaries[group][i] = true;
      }
    }
  }
  return canaries;
}

/** On main. */
class Source {
 public:
  Source(const MainViews& views, std::shared_ptr<const re2::RE2> filter) : views_(&views), filter_(std::move(filter)) {}

  bool operator()(const SliceBudget& budget, MainBody<Item>::Items& items) {
    bool more = false;
    bool any = false;
    const std::string after = after_;
    views_->visit_clusters(after, [&](const cluster::ClusterView& view) {
      if (any && view.name != after_ && budget.over()) {
        more = true;
        return false;
      }
      any = true;
      after_ = std::string(view.name);
      if (!view.warming && (filter_ == nullptr || re2::RE2::FullMatch(after_, *filter_))) {
        items.push_back(makeItem(view));
      }
      return true;
    });
    return more;
  }

 private:
  static Item makeItem(const cluster::ClusterView& view) {
    Item item;
    item.name = std::string(view.name);
    item.observability_name = *view.info.observability_name;
    if (view.config.type() == envoy::config::cluster::v3::Cluster::EDS) {
      item.eds_service_name = view.config.eds_cluster_config().service_name();
    }
    item.normal = view.info.normal_thresholds;
    item.high = view.info.high_thresholds;
    item.added_via_api = view.added_via_api;
    item.endpoints = view.endpoints;
    if (view.assignment != nullptr) {
      item.canaries = findCanaries(*view.assignment);
    }
    return item;
  }

  const MainViews* views_;
  const std::shared_ptr<const re2::RE2> filter_;
  std::string after_;
};

}  // namespace

std::unique_ptr<Body> makeClustersBody(MainCaller& main, const MainViews& views, JsonPrinter& printer, bool json,
                                       std::shared_ptr<const re2::RE2> filter) {
  std::unique_ptr<Renderer<Item>> renderer;
  if (json) {
    renderer = std::make_unique<JsonRenderer>(printer);
  } else {
    renderer = std::make_unique<TextRenderer>();
  }
  return std::make_unique<MainBody<Item>>(main, Source(views, std::move(filter)), std::move(renderer));
}

}  // namespace sluice::admin
