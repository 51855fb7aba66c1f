#include "source/admin/config_dump.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "google/protobuf/util/field_mask_util.h"

#include "source/admin/config_dump_plan.h"
#include "source/admin/config_dump_source.h"
#include "source/admin/json_list.h"
#include "source/admin/main_body.h"
#include "source/admin/proto_values.h"
#include "source/admin/redact.h"

namespace sluice::admin {
namespace {

using cluster::EndpointSet;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::endpoint::v3::LbEndpoint;
using envoy::config::endpoint::v3::LocalityLbEndpoints;

/** Indents inside a dump: its fields; the elements of its lists. */
constexpr absl::string_view kFieldIndent = "   ";
constexpr size_t kElementIndent = 4;

std::string typeUrl(const google::protobuf::Descriptor& type) {
  return absl::StrCat("type.googleapis.com/", type.full_name());
}

envoy::config::core::v3::HealthStatus healthOf(cluster::EdsHealth health) {
  switch (cluster::toHealth(health)) {
    case cluster::Health::Healthy:
      return envoy::config::core::v3::HEALTHY;
    case cluster::Health::Degraded:
      return envoy::config::core::v3::DEGRADED;
    case cluster::Health::Unhealthy:
      return envoy::config::core::v3::UNHEALTHY;
  }
  return envoy::config::core::v3::UNKNOWN;
}

const LocalityLbEndpoints* groupOf(const EndpointSet::Entry& entry, const ClusterLoadAssignment& assignment) {
  return static_cast<int>(entry.group_index) < assignment.endpoints_size() ? &assignment.endpoints(entry.group_index)
                                                                           : nullptr;
}

void setEndpoint(const EndpointSet::Entry& entry, const LocalityLbEndpoints* group, LbEndpoint& out) {
  toProto(entry.endpoint->address(), *out.mutable_endpoint()->mutable_address());
  out.mutable_endpoint()->mutable_health_check_config();
  out.mutable_endpoint()->set_hostname(entry.endpoint->hostname());
  out.set_health_status(healthOf(entry.health));
  out.mutable_load_balancing_weight()->set_value(entry.weight);
  if (group != nullptr && static_cast<int>(entry.endpoint_index) < group->lb_endpoints_size()) {
    const LbEndpoint& configured = group->lb_endpoints(static_cast<int>(entry.endpoint_index));
    if (configured.has_metadata()) {
      *out.mutable_metadata() = configured.metadata();
    }
  }
}

/** The endpoints as they are used: resolved, grouped by priority and locality, with their health. */
void setAssignment(const EndpointsItem& item, ClusterLoadAssignment& out) {
  ClusterLoadAssignment assignment;
  static_cast<void>(assignment.ParseFromString(item.assignment));
  out.set_cluster_name(item.cluster);
  const uint32_t overprovisioning = item.endpoints == nullptr ? cluster::HealthRules().overprovisioning_percent
                                                              : item.endpoints->rules().overprovisioning_percent;
  out.mutable_policy()->mutable_overprovisioning_factor()->set_value(overprovisioning);
  if (item.endpoints == nullptr) {
    return;
  }
  std::map<std::pair<uint32_t, uint32_t>, LocalityLbEndpoints*> groups;
  for (const EndpointSet::Entry& entry : item.endpoints->entries()) {
    const LocalityLbEndpoints* configured = groupOf(entry, assignment);
    LocalityLbEndpoints*& group = groups[{entry.priority, entry.locality}];
    if (group == nullptr) {
      group = out.add_endpoints();
      group->set_priority(entry.priority);
      const cluster::Locality& locality = item.endpoints->localities()[entry.locality];
      group->mutable_locality()->set_region(locality.region);
      group->mutable_locality()->set_zone(locality.zone);
      group->mutable_locality()->set_sub_zone(locality.sub_zone);
      group->mutable_load_balancing_weight()->set_value(
          configured == nullptr ? 0 : configured->load_balancing_weight().value());
    }
    setEndpoint(entry, configured, *group->add_lb_endpoints());
  }
}

std::unique_ptr<google::protobuf::Message> makeEndpoints(const EndpointsItem& item, bool dynamic) {
  ClusterLoadAssignment assignment;
  setAssignment(item, assignment);
  if (dynamic) {
    auto element = std::make_unique<envoy::admin::v3::EndpointsConfigDump::DynamicEndpointConfig>();
    element->mutable_endpoint_config()->PackFrom(assignment);
    return element;
  }
  auto element = std::make_unique<envoy::admin::v3::EndpointsConfigDump::StaticEndpointConfig>();
  element->mutable_endpoint_config()->PackFrom(assignment);
  return element;
}

class DumpRenderer : public Renderer<DumpItem> {
 public:
  DumpRenderer(std::shared_ptr<const DumpPlan> plan, const ServerFacts& facts, JsonPrinter& printer)
      : plan_(std::move(plan)), facts_(facts), printer_(printer) {}

  bool render(DumpItem& item, std::string& out) override {
    if (!item.is_element) {
      if (!plan_->single_resource) {
        renderHead(item, out);
      }
      return true;
    }
    const DumpPart& part = plan_->parts[item.part];
    const DumpPart::List& list = part.lists[item.list];
    if (item.endpoints != nullptr) {
      item.element = makeEndpoints(*item.endpoints, list.list == DumpList::DynamicEndpoints);
    }
    redact(*item.element);
    if (plan_->single_resource) {
      if (plan_->mask != nullptr) {
        trimElement(*plan_->mask, *item.element);
      }
      page_.next(out);
      printer_.append(*item.element, JsonList::kElementIndent, out, JsonPrinter::Defaults::LeftOut,
                      typeUrl(*item.element->GetDescriptor()));
      return true;
    }
    if (open_list_ == &list) {
      out += ",\n    ";
    } else {
      closeList(out);
      open_list_ = &list;
      absl::StrAppend(&out, ",\n", kFieldIndent, "\"", list.field, "\": [\n    ");
    }
    printer_.append(*item.element, kElementIndent, out);
    return true;
  }

  void end(std::string& out) override {
    closePart(out);
    page_.end(out);
  }

 private:
  void renderHead(const DumpItem& item, std::string& out) {
    closePart(out);
    page_.next(out);
    const DumpPart& part = plan_->parts[item.part];
    if (part.type == envoy::admin::v3::BootstrapConfigDump::descriptor()) {
      renderBootstrap(out);
      return;
    }
    part_open_ = true;
    absl::StrAppend(&out, "{\n", kFieldIndent, "\"@type\": \"", typeUrl(*part.type), "\"");
    if (!item.version.empty()) {
      absl::StrAppend(&out, ",\n", kFieldIndent, "\"version_info\": ");
      appendJsonString(item.version, out);
    }
  }

  void renderBootstrap(std::string& out) {
    envoy::admin::v3::BootstrapConfigDump dump;
    *dump.mutable_bootstrap() = facts_.bootstrap;
    redact(dump);
    toProto(facts_.bootstrap_loaded, *dump.mutable_last_updated());
    if (plan_->mask != nullptr) {
      google::protobuf::util::FieldMaskUtil::TrimMessage(*plan_->mask, &dump);
    }
    printer_.append(dump, JsonList::kElementIndent, out, JsonPrinter::Defaults::LeftOut,
                    typeUrl(*dump.GetDescriptor()));
  }

  void closeList(std::string& out) {
    if (open_list_ != nullptr) {
      absl::StrAppend(&out, "\n", kFieldIndent, "]");
      open_list_ = nullptr;
    }
  }
  void closePart(std::string& out) {
    closeList(out);
    if (part_open_) {
      out += "\n  }";
      part_open_ = false;
    }
  }

  const std::shared_ptr<const DumpPlan> plan_;
  const ServerFacts& facts_;
  JsonPrinter& printer_;
  JsonList page_{"configs"};
  bool part_open_ = false;
  const DumpPart::List* open_list_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Body>> makeConfigDumpBody(const Request& request, MainCaller& main,
                                                         const MainViews& views, const ServerFacts& facts,
                                                         JsonPrinter& printer) {
  absl::StatusOr<DumpPlan> plan = planDump(request);
  if (!plan.ok()) {
    return plan.status();
  }
  const auto shared = std::make_shared<const DumpPlan>(*std::move(plan));
  return std::make_unique<MainBody<DumpItem>>(main, DumpSource(views, shared),
                                              std::make_unique<DumpRenderer>(shared, facts, printer));
}

}  // namespace sluice::admin
