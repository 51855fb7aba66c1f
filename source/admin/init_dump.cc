#include "source/admin/init_dump.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "envoy/admin/v3/init_dump.pb.h"

#include "source/admin/json_list.h"
#include "source/admin/main_body.h"

namespace sluice::admin {
namespace {

/** Those that wait for something. */
struct Item {
  std::string name;
  std::vector<xds::InitManager::Pending> targets;
};

class JsonRenderer : public Renderer<Item> {
 public:
  JsonRenderer(JsonPrinter& printer, const base::Clock& clock) : printer_(printer), clock_(clock) {}

  bool render(Item& item, std::string& out) override {
    envoy::admin::v3::UnreadyTargetsDumps::UnreadyTargetsDump dump;
    dump.set_name(item.name);
    for (const xds::InitManager::Pending& pending : item.targets) {
      dump.add_target_names(describe(pending));
    }
    list_.next(out);
    printer_.append(dump, JsonList::kElementIndent, out);
    return true;
  }
  void end(std::string& out) override { list_.end(out); }

 private:
  /** The message has no field for the time, so the name tells it. */
  std::string describe(const xds::InitManager::Pending& pending) const {
    const auto waited = clock_.monotonicNow() - pending.since;
    const base::SystemTime since = clock_.systemNow() - std::chrono::duration_cast<base::SystemTime::duration>(waited);
    return absl::StrCat(pending.target, " (since ",
                        absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(since), absl::UTCTimeZone()), ", ",
                        std::chrono::duration_cast<std::chrono::seconds>(waited).count(), "s)");
  }

  JsonPrinter& printer_;
  const base::Clock& clock_;
  JsonList list_{"unready_targets_dumps"};
};

struct Wanted {
  bool server = true;
  bool clusters = true;
  bool listeners = true;
};

/** On main. */
class Source {
 public:
  Source(const MainViews& views, Wanted wanted) : views_(&views), wanted_(wanted) {}

  bool operator()(const SliceBudget& budget, MainBody<Item>::Items& items) {
    if (!begun_) {
      begun_ = true;
      begin(items);
    }
    while (next_name_ < names_.size() && !budget.over()) {
      const std::optional<listener::ListenerView> view = views_->listener(names_[next_name_++]);
      if (view.has_value() && view->warming.has_value() && !view->warming->waits_for.empty()) {
        items.push_back({absl::StrCat("Listener ", view->name), view->warming->waits_for});
      }
    }
    return next_name_ < names_.size();
  }

 private:
  void begin(MainBody<Item>::Items& items) {
    if (wanted_.server) {
      std::vector<xds::InitManager::Pending> pending = views_->pending_server();
      if (!pending.empty()) {
        items.push_back({"Server", std::move(pending)});
      }
    }
    for (const cluster::ClusterManager::Pending& pending : views_->pending_clusters()) {
      // The cluster manager's own waiting is the server's.
      if (pending.manager == "Server" ? wanted_.server : wanted_.clusters) {
        if (items.empty() || items.back().name != pending.manager) {
          items.push_back({pending.manager, {}});
        }
        items.back().targets.push_back({pending.target, pending.since});
      }
    }
    if (wanted_.listeners) {
      names_ = views_->listener_names();
    }
  }

  const MainViews* views_;
  Wanted wanted_;
  bool begun_ = false;
  std::vector<std::string> names_;
  size_t next_name_ = 0;
};

}  // namespace

std::unique_ptr<Body> makeInitDumpBody(const Request& request, MainCaller& main, const MainViews& views,
                                       JsonPrinter& printer, const base::Clock& clock) {
  Wanted wanted;
  const std::string* mask = request.find("mask");
  if (mask != nullptr && !mask->empty()) {
    wanted = {false, false, false};
    for (absl::string_view path : absl::StrSplit(*mask, ',')) {
      wanted.server |= path == "server";
      wanted.clusters |= path == "cluster";
      wanted.listeners |= path == "listener";
    }
  }
  return std::make_unique<MainBody<Item>>(main, Source(views, wanted), std::make_unique<JsonRenderer>(printer, clock));
}

}  // namespace sluice::admin
