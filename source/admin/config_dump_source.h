#pragma once

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

#include "source/admin/config_dump_plan.h"
#include "source/admin/main_body.h"
#include "source/admin/views.h"

namespace sluice::admin {

/** The endpoints of one cluster, from which the admin thread makes a ClusterLoadAssignment. */
struct EndpointsItem {
  std::string cluster;
  std::shared_ptr<const cluster::EndpointSet> endpoints;
  /** The assignment's bytes, for metadata and locality weights; empty if there is none. */
  std::string assignment;
};

/** What main hands over of a dump: an element of a list or, without one, the head of a part. */
struct DumpItem {
  /** Into the plan. */
  size_t part = 0;
  size_t list = 0;
  bool is_element = false;
  std::string version;
  /** One of these, for an element. */
  std::unique_ptr<google::protobuf::Message> element;
  std::unique_ptr<EndpointsItem> endpoints;
};

/** Gathers what a plan asks for, part by part and list by list. Runs on main; may be moved and die on any thread. */
class DumpSource {
 public:
  DumpSource(const MainViews& views, std::shared_ptr<const DumpPlan> plan) : views_(&views), plan_(std::move(plan)) {}

  bool operator()(const SliceBudget& budget, std::deque<DumpItem>& items);

 private:
  /** Appends to the list at hand until the budget is over; true when it is complete. */
  bool fill(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items);
  bool fillClusters(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items);
  void addCluster(DumpList list, const cluster::ClusterView& view, std::deque<DumpItem>& items);
  bool fillFailures(const SliceBudget& budget, std::deque<DumpItem>& items);
  bool fillListeners(bool dynamic, const SliceBudget& budget, std::deque<DumpItem>& items);
  bool fillRoutes(bool dynamic, const SliceBudget& budget, std::deque<DumpItem>& items);
  bool fillSecrets(DumpList list, const SliceBudget& budget, std::deque<DumpItem>& items);
  void add(std::unique_ptr<google::protobuf::Message> element, std::deque<DumpItem>& items) const;
  std::string versionOf(const DumpPart& part) const;
  bool wants(absl::string_view name) const;

  const MainViews* views_;
  std::shared_ptr<const DumpPlan> plan_;

  // Where the next slice goes on.
  size_t part_ = 0;
  size_t list_ = 0;
  bool head_done_ = false;
  std::string after_;
  bool in_failures_ = false;
  bool names_known_ = false;
  std::vector<std::string> names_;
  size_t next_name_ = 0;
};

}  // namespace sluice::admin
