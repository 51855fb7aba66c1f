#pragma once

#include <string>

#include "absl/types/span.h"

#include "source/admin/endpoint.h"
#include "source/admin/exchange.h"
#include "source/admin/json_printer.h"
#include "source/admin/main_caller.h"
#include "source/admin/views.h"
#include "source/base/clock.h"
#include "source/stats/store.h"

namespace sluice::admin {

/** The table of admin pages, and the answer that each gives. Admin thread; all that it is given outlives it. */
class Pages {
 public:
  Pages(MainCaller& main, const base::Clock& clock, stats::Store& store, const ServerFacts& facts,
        const MainViews& views, const Actions& actions)
      : main_(main), clock_(clock), store_(store), facts_(facts), views_(views), actions_(actions) {}

  /** In order of path. */
  static absl::Span<const Endpoint> endpoints();

  void answer(Exchange& exchange);

 private:
  void index(Exchange& exchange);
  void certs(Exchange& exchange);
  void clusters(Exchange& exchange);
  void configDump(Exchange& exchange);
  void drainListeners(Exchange& exchange);
  void failHealthCheck(Exchange& exchange);
  void passHealthCheck(Exchange& exchange);
  void help(Exchange& exchange);
  void hotRestartVersion(Exchange& exchange);
  void initDump(Exchange& exchange);
  void listeners(Exchange& exchange);
  void logging(Exchange& exchange);
  void memory(Exchange& exchange);
  void quit(Exchange& exchange);
  void ready(Exchange& exchange);
  void reopenLogs(Exchange& exchange);
  void resetCounters(Exchange& exchange);
  void runtime(Exchange& exchange);
  void serverInfo(Exchange& exchange);
  void stats(Exchange& exchange);
  void prometheus(Exchange& exchange);

  void streamStats(Exchange& exchange, bool prometheus);
  /** Runs `action` on main, then answers with what it says: OK, or its error. */
  void act(Exchange& exchange, absl::AnyInvocable<absl::Status()> action);
  Glance glance() const;

  MainCaller& main_;
  const base::Clock& clock_;
  stats::Store& store_;
  const ServerFacts& facts_;
  const MainViews& views_;
  const Actions& actions_;
  JsonPrinter printer_;
};

}  // namespace sluice::admin
