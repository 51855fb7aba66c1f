#include "source/admin/pages.h"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/admin/certs_page.h"
#include "source/admin/clusters_page.h"
#include "source/admin/config_dump.h"
#include "source/admin/init_dump.h"
#include "source/admin/listeners_page.h"
#include "source/admin/logging_page.h"
#include "source/admin/server_pages.h"
#include "source/base/version.h"
#include "source/base/weak_ref.h"
#include "source/event/deadline.h"
#include "source/stats/page.h"

namespace sluice::admin {
namespace {

using envoy::admin::v3::ServerInfo;
using Kind = Parameter::Kind;

constexpr Parameter kClustersParameters[] = {
    {"filter", "Regular expression (RE2) that whole names of clusters match"},
    {"format", "Format of the answer", Kind::Choice, "text, json"},
};
constexpr Parameter kConfigDumpParameters[] = {
    {"resource", "The list to dump, such as dynamic_listeners"},
    {"mask", "Fields to show, with commas between; with resource, those of each element"},
    {"name_regex", "Regular expression (RE2) that whole names of resources match"},
    {"include_eds", "Shows endpoints, too", Kind::Flag},
};
constexpr Parameter kDrainParameters[] = {
    {"graceful", "Lets connections end over the drain time before the listeners stop", Kind::Flag},
    {"skip_exit", "Drains connections, but never stops the listeners", Kind::Flag},
    {"inboundonly", "Only listeners whose traffic_direction is INBOUND", Kind::Flag},
};
constexpr Parameter kInitDumpParameters[] = {
    {"mask", "What to show, with commas between: server, cluster, listener"},
};
constexpr Parameter kListenersParameters[] = {
    {"format", "Format of the answer", Kind::Choice, "text, json"},
};
constexpr Parameter kLoggingParameters[] = {
    {"paths", "Changes the levels of some loggers: <name>:<level>, with commas between"},
    {"level", "Changes the level of all loggers", Kind::Choice, ", trace, debug, info, warning, error, critical, off"},
};
constexpr Parameter kStatsParameters[] = {
    {"usedonly", "Only what was written since the start", Kind::Flag},
    {"filter", "Regular expression (RE2) found anywhere in the name"},
    {"invert_filter", "Shows what the filter does not match", Kind::Flag},
    {"format", "Format of the answer", Kind::Choice, "text, json, prometheus"},
    {"type", "Types to show", Kind::Choice, "All, Counters, Histograms, Gauges, TextReadouts"},
    {"histogram_buckets", "How histograms are shown", Kind::Choice, "summary, cumulative, disjoint, detailed"},
};
constexpr Parameter kPrometheusParameters[] = {
    {"usedonly", "Only what was written since the start", Kind::Flag},
    {"text_readouts", "Shows texts as gauges with value 0", Kind::Flag},
    {"filter", "Regular expression (RE2) found anywhere in the name"},
    {"invert_filter", "Shows what the filter does not match", Kind::Flag},
    {"histogram_buckets", "How histograms are shown", Kind::Choice, "cumulative, summary"},
};

/**
 * /stats, for as long as its page has more. Some statistics get their name from main with their first use (a response
 * code's): main is heard first, so that who has seen a response finds it counted. A main that hangs is not waited for.
 */
class StatsBody : public Body {
 public:
  StatsBody(MainCaller& main, std::unique_ptr<stats::Page> page) : main_(main), page_(std::move(page)) {}

  void onWake(std::function<void()> wake) override { wake_ = std::move(wake); }

  Next next(std::string& out) override {
    if (state_ == State::Ready) {
      return page_->next(out) ? Next::More : Next::End;
    }
    if (state_ == State::New) {
      state_ = State::Waiting;
      main_.admin().deadlines().set(patience_, kPatience);
      main_.call<bool>([] { return true; },
                       [self = anchor_.ref()](bool) {
                         if (StatsBody* const body = self.get(); body != nullptr && body->state_ == State::Waiting) {
                           body->patience_.cancel();
                           body->begin();
                         }
                       });
    }
    return Next::Later;
  }

 private:
  enum class State : uint8_t { New, Waiting, Ready };
  static constexpr std::chrono::milliseconds kPatience{1000};

  void begin() {
    state_ = State::Ready;
    wake_();
  }

  MainCaller& main_;
  const std::unique_ptr<stats::Page> page_;
  std::function<void()> wake_;
  State state_ = State::New;
  event::MemberDeadline<StatsBody, &StatsBody::begin> patience_{*this};
  const base::WeakAnchor<StatsBody> anchor_{this};
};

bool wantsJson(const Request& request) {
  const std::string* format = request.find("format");
  return format != nullptr && *format == "json";
}

absl::string_view contentOf(bool json) { return json ? content::kJson : content::kText; }

}  // namespace

absl::Span<const Endpoint> Pages::endpoints() {
  static constexpr Endpoint kEndpoints[] = {
      {"/", "Admin home page", false, {}, &Pages::index},
      {"/certs", "print certs on machine", false, {}, &Pages::certs},
      {"/clusters", "upstream cluster status", false, kClustersParameters, &Pages::clusters},
      {"/config_dump", "dump current configuration", false, kConfigDumpParameters, &Pages::configDump},
      {"/drain_listeners", "drain listeners", true, kDrainParameters, &Pages::drainListeners},
      {"/healthcheck/fail", "cause the server to fail health checks", true, {}, &Pages::failHealthCheck},
      {"/healthcheck/ok", "cause the server to pass health checks", true, {}, &Pages::passHealthCheck},
      {"/help", "print out list of admin commands", false, {}, &Pages::help},
      {"/hot_restart_version", "print the hot restart compatibility version", false, {}, &Pages::hotRestartVersion},
      {"/init_dump", "show what the server, clusters and listeners wait for, and since when", false,
       kInitDumpParameters, &Pages::initDump},
      {"/listeners", "print listener info", false, kListenersParameters, &Pages::listeners},
      {"/logging", "query/change logging levels", true, kLoggingParameters, &Pages::logging},
      {"/memory", "print current allocation/heap usage", false, {}, &Pages::memory},
      {"/quitquitquit", "exit the server", true, {}, &Pages::quit},
      {"/ready", "print server state, return 200 if LIVE, otherwise return 503", false, {}, &Pages::ready},
      {"/reopen_logs", "reopen access logs", true, {}, &Pages::reopenLogs},
      {"/reset_counters", "reset all counters to zero", true, {}, &Pages::resetCounters},
      {"/runtime", "print runtime values", false, {}, &Pages::runtime},
      {"/server_info", "print server version/status information", false, {}, &Pages::serverInfo},
      {"/stats", "print server stats", false, kStatsParameters, &Pages::stats},
      {"/stats/prometheus", "print server stats in prometheus format", false, kPrometheusParameters,
       &Pages::prometheus},
  };
  return kEndpoints;
}

void Pages::answer(Exchange& exchange) {
  const Request& request = exchange.request();
  for (const Endpoint& endpoint : endpoints()) {
    if (endpoint.path != request.path) {
      continue;
    }
    if (endpoint.changes && !request.post) {
      exchange.reply(405, content::kText, absl::StrCat("Method ", request.method, " not allowed, POST required."));
    } else {
      (this->*endpoint.answer)(exchange);
    }
    return;
  }
  exchange.reply(404, content::kText, absl::StrCat("invalid path. ", helpText(endpoints())));
}

void Pages::index(Exchange& exchange) { exchange.reply(200, content::kHtml, indexPage(endpoints(), glance())); }

Glance Pages::glance() const {
  Glance glance;
  glance.version = std::string(base::versionString());
  glance.state = ServerInfo::State_Name(facts_.state());
  glance.uptime = describeUptime(clock_.monotonicNow() - facts_.started);
  glance.node = facts_.node.id().empty()        ? "no id"
                : facts_.node.cluster().empty() ? facts_.node.id()
                                                : absl::StrCat(facts_.node.id(), " of ", facts_.node.cluster());
  const auto gauge = [this](absl::string_view name) { return store_.gaugeValue(name); };
  const auto counter = [this](absl::string_view name) { return store_.counterValue(name); };
  glance.facts.push_back({"Listeners", absl::StrCat(gauge("listener_manager.total_listeners_active"), " active, ",
                                                    gauge("listener_manager.total_listeners_warming"), " warming, ",
                                                    gauge("listener_manager.total_listeners_draining"), " draining")});
  glance.facts.push_back({"Clusters", absl::StrCat(gauge("cluster_manager.active_clusters"), " active, ",
                                                   gauge("cluster_manager.warming_clusters"), " warming")});
  if (facts_.bootstrap.dynamic_resources().has_ads_config()) {
    const bool connected = gauge("control_plane.connected_state") == 1;
    glance.facts.push_back({"Control plane", connected ? "connected" : "not connected", !connected});
  } else {
    glance.facts.push_back({"Control plane", "none in the bootstrap"});
  }
  const uint64_t rejected =
      counter("listener_manager.lds.update_rejected") + counter("cluster_manager.cds.update_rejected");
  glance.facts.push_back(
      {"Updates of listeners and clusters",
       absl::StrCat(counter("listener_manager.lds.update_success") + counter("cluster_manager.cds.update_success"),
                    " taken, ", rejected, " rejected")});
  return glance;
}

void Pages::certs(Exchange& exchange) {
  exchange.stream(200, content::kJson, makeCertsBody(main_, views_, printer_, clock_));
}

void Pages::clusters(Exchange& exchange) {
  const Request& request = exchange.request();
  std::shared_ptr<const re2::RE2> filter;
  const std::string* pattern = request.find("filter");
  if (pattern != nullptr && !pattern->empty()) {
    auto regex = std::make_shared<re2::RE2>(*pattern, re2::RE2::Quiet);
    if (!regex->ok()) {
      exchange.reply(400, content::kText, absl::StrCat("Invalid re2 regex: ", regex->error(), "\n"));
      return;
    }
    filter = std::move(regex);
  }
  const bool json = wantsJson(request);
  exchange.stream(200, contentOf(json), makeClustersBody(main_, views_, printer_, json, std::move(filter)));
}

void Pages::configDump(Exchange& exchange) {
  absl::StatusOr<std::unique_ptr<Body>> body = makeConfigDumpBody(exchange.request(), main_, views_, facts_, printer_);
  if (!body.ok()) {
    exchange.reply(absl::IsNotFound(body.status()) ? 404 : 400, content::kPlain, body.status().message());
    return;
  }
  exchange.stream(200, content::kJson, *std::move(body));
}

void Pages::act(Exchange& exchange, absl::AnyInvocable<absl::Status()> action) {
  main_.call<absl::Status>(std::move(action), [waiting = exchange.ref()](absl::Status status) {
    if (Exchange* exchange = waiting.get()) {
      exchange->reply(status.ok() ? 200 : 500, content::kText,
                      status.ok() ? "OK\n" : absl::StrCat(status.message(), "\n"));
    }
  });
}

void Pages::drainListeners(Exchange& exchange) {
  DrainRequest drain;
  drain.inbound_only = exchange.request().has("inboundonly");
  drain.graceful = exchange.request().has("graceful");
  drain.skip_exit = exchange.request().has("skip_exit");
  act(exchange, [drain, actions = &actions_] {
    actions->drain_listeners(drain);
    return absl::OkStatus();
  });
}

void Pages::failHealthCheck(Exchange& exchange) {
  act(exchange, [actions = &actions_] {
    actions->fail_health_check();
    return absl::OkStatus();
  });
}

void Pages::passHealthCheck(Exchange& exchange) {
  act(exchange, [actions = &actions_] {
    actions->pass_health_check();
    return absl::OkStatus();
  });
}

void Pages::reopenLogs(Exchange& exchange) {
  act(exchange, [actions = &actions_] { return actions->reopen_logs(); });
}

void Pages::quit(Exchange& exchange) {
  exchange.whenSent([main = &main_, actions = &actions_] { main->run([actions] { actions->quit(); }); });
  exchange.reply(200, content::kText, "OK\n");
}

void Pages::help(Exchange& exchange) { exchange.reply(200, content::kText, helpText(endpoints())); }

void Pages::hotRestartVersion(Exchange& exchange) { exchange.reply(200, content::kText, "disabled"); }

void Pages::initDump(Exchange& exchange) {
  exchange.stream(200, content::kJson, makeInitDumpBody(exchange.request(), main_, views_, printer_, clock_));
}

void Pages::listeners(Exchange& exchange) {
  const bool json = wantsJson(exchange.request());
  exchange.stream(200, contentOf(json), makeListenersBody(main_, views_, printer_, json));
}

void Pages::logging(Exchange& exchange) {
  const LoggingAnswer answer = changeLogLevels(exchange.request());
  exchange.reply(answer.status, content::kText, answer.text);
}

void Pages::memory(Exchange& exchange) { exchange.reply(200, content::kJson, memoryPage(printer_)); }

void Pages::ready(Exchange& exchange) {
  const ServerInfo::State state = facts_.state();
  exchange.reply(state == ServerInfo::LIVE ? 200 : 503, content::kText,
                 absl::StrCat(ServerInfo::State_Name(state), "\n"));
}

void Pages::resetCounters(Exchange& exchange) {
  store_.resetCounters();
  exchange.reply(200, content::kText, "OK\n");
}

void Pages::runtime(Exchange& exchange) {
  using SnapshotPtr = std::shared_ptr<const sluice::runtime::Snapshot>;
  main_.call<SnapshotPtr>([views = &views_] { return views->runtime(); },
                          [waiting = exchange.ref()](SnapshotPtr snapshot) {
                            if (Exchange* exchange = waiting.get()) {
                              exchange->reply(200, content::kJson, runtimePage(*snapshot));
                            }
                          });
}

void Pages::serverInfo(Exchange& exchange) {
  exchange.reply(200, content::kJson, serverInfoPage(facts_, clock_, printer_));
}

void Pages::stats(Exchange& exchange) { streamStats(exchange, false); }
void Pages::prometheus(Exchange& exchange) { streamStats(exchange, true); }

void Pages::streamStats(Exchange& exchange, bool prometheus) {
  absl::StatusOr<sluice::stats::PageOptions> options =
      sluice::stats::PageOptions::parse(exchange.request().parameters, prometheus);
  if (!options.ok()) {
    exchange.reply(400, content::kText, options.status().message());
    return;
  }
  std::unique_ptr<sluice::stats::Page> page = sluice::stats::Page::create(store_, *std::move(options));
  const std::string type(page->contentType());
  exchange.stream(200, type, std::make_unique<StatsBody>(main_, std::move(page)));
}

}  // namespace sluice::admin
