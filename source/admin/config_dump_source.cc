#include "source/admin/config_dump_source.h"

#include <utility>

#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"

#include "source/admin/proto_values.h"
#include "source/xds/subscription.h"

namespace sluice::admin {
namespace {

using envoy::admin::v3::ClustersConfigDump;
using envoy::admin::v3::ListenersConfigDump;
using envoy::admin::v3::RoutesConfigDump;
using envoy::admin::v3::SecretsConfigDump;

void setFailure(const std::shared_ptr<const google::protobuf::Message>& configuration, base::SystemTime last_attempt,
                const std::string& details, const std::string& version, envoy::admin::v3::UpdateFailureState& to) {
  if (configuration != nullptr) {
    to.mutable_failed_configuration()->PackFrom(*configuration);
  }
  toProto(last_attempt, *to.mutable_last_update_attempt());
  to.set_details(details);
  to.set_version_info(version);
}

void setFailure(const cluster::ClusterFailure& from, envoy::admin::v3::UpdateFailureState& to) {
  setFailure(from.failed_configuration, from.last_update_attempt, from.details, from.version, to);
}

void setFailure(const listener::ListenerFailure& from, envoy::admin::v3::UpdateFailureState& to) {
  setFailure(from.message, from.last_attempt, from.details, from.version, to);
}

void setState(const listener::ListenerVersionView& from, ListenersConfigDump::DynamicListenerState& to) {
  to.set_version_info(from.version);
  if (from.message != nullptr) {
    to.mutable_listener()->PackFrom(*from.message);
  }
  toProto(from.last_updated, *to.mutable_last_updated());
}

std::unique_ptr<google::protobuf::Message> makeStaticListener(const listener::ListenerView& view) {
  auto element = std::make_unique<ListenersConfigDump::StaticListener>();
  const auto& version = view.active.has_value() ? view.active : view.warming;
  if (version.has_value()) {
    if (version->message != nullptr) {
      element->mutable_listener()->PackFrom(*version->message);
    }
    toProto(version->last_updated, *element->mutable_last_updated());
  }
  return element;
}

std::unique_ptr<google::protobuf::Message> makeDynamicListener(const listener::ListenerView& view) {
  auto element = std::make_unique<ListenersConfigDump::DynamicListener>();
  element->set_name(view.name);
  if (view.active.has_value()) {
    setState(*view.active, *element->mutable_active_state());
  }
  if (view.warming.has_value()) {
    setState(*view.warming, *element->mutable_warming_state());
  }
  if (view.draining.has_value()) {
    setState(*view.draining, *element->mutable_draining_state());
  }
  if (view.failure.has_value()) {
    setFailure(*view.failure, *element->mutable_error_state());
  }
  return element;
}

void packRoutes(const std::string& bytes, google::protobuf::Any& to) {
  to.set_type_url(xds::kRouteType.data(), xds::kRouteType.size());
  to.set_value(bytes);
}

std::unique_ptr<google::protobuf::Message> makeStaticRoutes(const http::RouteConfigView& view) {
  auto element = std::make_unique<RoutesConfigDump::StaticRouteConfig>();
  packRoutes(*view.bytes, *element->mutable_route_config());
  toProto(view.last_updated, *element->mutable_last_updated());
  return element;
}

std::unique_ptr<google::protobuf::Message> makeDynamicRoutes(const http::RouteConfigView& view) {
  auto element = std::make_unique<RoutesConfigDump::DynamicRouteConfig>();
  element->set_version_info(view.version);
  if (view.bytes != nullptr) {
    packRoutes(*view.bytes, *element->mutable_route_config());
    toProto(view.last_updated, *element->mutable_last_updated());
  }
  if (view.failure.has_value()) {
    const http::RouteConfigView::Failure& failure = *view.failure;
    setFailure(failure.message, failure.last_attempt, failure.details, failure.version,
               *element->mutable_error_state());
  }
  return element;
}

std::unique_ptr<google::protobuf::Message> makeStaticSecret(const tls::SecretView& view) {
  auto element = std::make_unique<SecretsConfigDump::StaticSecret>();
  element->set_name(view.name);
  element->mutable_secret()->PackFrom(*view.message);
  toProto(view.last_updated, *element->mutable_last_updated());
  return element;
}

std::unique_ptr<google::protobuf::Message> makeDynamicSecret(const tls::SecretView& view) {
  auto element = std::make_unique<SecretsConfigDump::DynamicSecret>();
  element->set_name(view.name);
  element->set_version_info(view.version);
  toProto(view.last_updated, *element->mutable_last_updated());
  if (view.message != nullptr) {
    element->mutable_secret()->PackFrom(*view.message);
  } else {
    // One that is awaited is there by name, as in Envoy's: readers unpack it.
    envoy::extensions::transport_sockets::tls::v3::Secret awaited;
    awaited.set_name(view.name);
    element->mutable_secret()->PackFrom(awaited);
  }
  if (view.failure.has_value()) {
    const tls::SecretView::Failure& failure = *view.failure;
    setFailure(failure.message, failure.last_attempt, failure.details, failure.version,
               *element->mutable_error_state());
  }
  return element;
}

bool belongs(DumpList list, const tls::SecretView& view) {
  if (list == DumpList::StaticSecrets) {
    return !view.dynamic;
  }
  return view.dynamic && (view.message == nullptr) == (list == DumpList::WarmingSecrets);
}

bool belongs(DumpList list, const cluster::ClusterView& view) {
  switch (list) {
    case DumpList::StaticClusters:
      return !view.added_via_api;
    case DumpList::ActiveClusters:
      return view.added_via_api && !view.warming;
    case DumpList::WarmingClusters:
      return view.added_via_api && view.warming;
    case DumpList::StaticEndpoints:
      return !view.added_via_api && !view.warming;
    case DumpList::DynamicEndpoints:
      return view.added_via_api && !view.warming;
    default:
      return false;
  }
}

}  // namespace

bool DumpSource::operator()(const SliceBudget& budget, std::deque<DumpItem>& items) {
  while (part_ < plan_->parts.size()) {
    const DumpPart& part = plan_->parts[part_];
    if (!head_done_) {
      head_done_ = true;
      DumpItem head;
      head.part = part_;
      head.version = part.version ? versionOf(part) : "";
      items.push_back(std::move(head));
    }
    while (list_ < part.lists.size()) {
      if (!fill(part.lists[list_].list, budget, items)) {
        return true;
      }
      ++list_;
      after_.clear();
      in_failures_ = false;
      next_name_ = 0;
      if (budget.over()) {
        return true;
      }
    }
    ++part_;
    list_ = 0;
    head_done_ = false;
  }
  return false;
}

bool DumpSource::fill(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items) {
  switch (list) {
    case DumpList::WarmingClusters:
      return (in_failures_ || fillClusters(list, budget, items)) && fillFailures(budget, items);
    case DumpList::StaticClusters:
    case DumpList::ActiveClusters:
    case DumpList::StaticEndpoints:
    case DumpList::DynamicEndpoints:
      return fillClusters(list, budget, items);
    case DumpList::StaticListeners:
      return fillListeners(false, budget, items);
    case DumpList::DynamicListeners:
      return fillListeners(true, budget, items);
    case DumpList::StaticRoutes:
      return fillRoutes(false, budget, items);
    case DumpList::DynamicRoutes:
      return fillRoutes(true, budget, items);
    case DumpList::StaticSecrets:
    case DumpList::ActiveSecrets:
    case DumpList::WarmingSecrets:
      return fillSecrets(list, budget, items);
    case DumpList::Empty:
      return true;
  }
  return true;
}

bool DumpSource::fillClusters(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items) {
  bool complete = true;
  bool any = false;
  const std::string after = after_;
  views_->visit_clusters(after, [&](const cluster::ClusterView& view) {
    if (any && view.name != after_ && budget.over()) {
      complete = false;
      return false;
    }
    any = true;
    after_ = std::string(view.name);
    if (belongs(list, view) && wants(view.name)) {
      addCluster(list, view, items);
    }
    return true;
  });
  return complete;
}

void DumpSource::addCluster(DumpList list, const cluster::ClusterView& view, std::deque<DumpItem>& items) {
  if (list == DumpList::StaticEndpoints || list == DumpList::DynamicEndpoints) {
    auto endpoints = std::make_unique<EndpointsItem>();
    endpoints->cluster = std::string(view.name);
    endpoints->endpoints = view.endpoints;
    if (view.assignment != nullptr) {
      endpoints->assignment = view.assignment->SerializeAsString();
    }
    add(nullptr, items);
    items.back().endpoints = std::move(endpoints);
    return;
  }
  if (list == DumpList::StaticClusters) {
    auto element = std::make_unique<ClustersConfigDump::StaticCluster>();
    element->mutable_cluster()->PackFrom(view.config);
    toProto(view.last_updated, *element->mutable_last_updated());
    add(std::move(element), items);
    return;
  }
  auto element = std::make_unique<ClustersConfigDump::DynamicCluster>();
  element->set_version_info(std::string(view.version));
  element->mutable_cluster()->PackFrom(view.config);
  toProto(view.last_updated, *element->mutable_last_updated());
  if (view.failure != nullptr) {
    setFailure(*view.failure, *element->mutable_error_state());
  }
  add(std::move(element), items);
}

bool DumpSource::fillFailures(const SliceBudget& budget, std::deque<DumpItem>& items) {
  const auto& failures = views_->cluster_failures();
  auto next = in_failures_ ? failures.upper_bound(after_) : failures.begin();
  in_failures_ = true;
  for (; next != failures.end(); ++next) {
    after_ = next->first;
    if (wants(next->first)) {
      // A cluster that was never taken: it has nothing but its error.
      auto element = std::make_unique<ClustersConfigDump::DynamicCluster>();
      setFailure(next->second, *element->mutable_error_state());
      add(std::move(element), items);
    }
    if (budget.over()) {
      return std::next(next) == failures.end();
    }
  }
  return true;
}

bool DumpSource::fillListeners(bool dynamic, const SliceBudget& budget, std::deque<DumpItem>& items) {
  if (!names_known_) {
    names_known_ = true;
    names_ = views_->listener_names();
  }
  while (next_name_ < names_.size()) {
    const std::string& name = names_[next_name_++];
    if (wants(name)) {
      const std::optional<listener::ListenerView> view = views_->listener(name);
      if (view.has_value() && view->dynamic == dynamic) {
        add(dynamic ? makeDynamicListener(*view) : makeStaticListener(*view), items);
      }
    }
    if (budget.over()) {
      return next_name_ == names_.size();
    }
  }
  return true;
}

bool DumpSource::fillRoutes(bool dynamic, const SliceBudget& budget, std::deque<DumpItem>& items) {
  if (views_->visit_routes == nullptr) {
    return true;
  }
  bool complete = true;
  bool any = false;
  const std::string after = after_;
  views_->visit_routes(after, [&](const std::string& key, const http::RouteConfigView& view) {
    if (any && budget.over()) {
      complete = false;
      return false;
    }
    any = true;
    after_ = key;
    // What neither came nor failed has nothing to show.
    if (view.dynamic == dynamic && wants(view.name) && (view.bytes != nullptr || view.failure.has_value())) {
      add(dynamic ? makeDynamicRoutes(view) : makeStaticRoutes(view), items);
    }
    return true;
  });
  return complete;
}

bool DumpSource::fillSecrets(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items) {
  if (views_->visit_secrets == nullptr) {
    return true;
  }
  bool complete = true;
  bool any = false;
  const std::string after = after_;
  views_->visit_secrets(after, [&](const std::string& key, const tls::SecretView& view) {
    if (any && budget.over()) {
      complete = false;
      return false;
    }
    any = true;
    after_ = key;
    if (belongs(list, view) && wants(view.name)) {
      add(view.dynamic ? makeDynamicSecret(view) : makeStaticSecret(view), items);
    }
    return true;
  });
  return complete;
}

void DumpSource::add(std::unique_ptr<google::protobuf::Message> element, std::deque<DumpItem>& items) const {
  DumpItem item;
  item.part = part_;
  item.list = list_;
  item.is_element = true;
  item.element = std::move(element);
  items.push_back(std::move(item));
}

std::string DumpSource::versionOf(const DumpPart& part) const {
  if (part.type == ClustersConfigDump::descriptor()) {
    return views_->cds_version();
  }
  return part.type == ListenersConfigDump::descriptor() ? views_->lds_version() : "";
}

bool DumpSource::wants(absl::string_view name) const {
  return plan_->names == nullptr || re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *plan_->names);
}

}  // namespace sluice::admin
