#include "source/server/server.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/access_log/file_logger.h"
#include "source/access_log/log_filter.h"
#include "source/admin/admin_server.h"
#include "source/admin/manager_views.h"
#include "source/base/logging.h"
#include "source/base/random.h"
#include "source/cluster/cares_resolver.h"
#include "source/cluster/cluster_manager.h"
#include "source/config/duration.h"
#include "source/event/libevent_dispatcher.h"
#include "source/http/access_log_filters.h"
#include "source/http/access_log_operators.h"
#include "source/listener/lds.h"
#include "source/listener/listener_builder.h"
#include "source/listener/listener_manager.h"
#include "source/listener/worker.h"
#include "source/net/drain.h"
#include "source/runtime/snapshot.h"
#include "source/server/command_line.h"
#include "source/server/control_planes.h"
#include "source/server/extensions.h"
#include "source/server/stats_settings.h"
#include "source/thread/file_writer.h"
#include "source/thread/guard_dog.h"
#include "source/thread/slot.h"
#include "source/tls/context_publisher.h"
#include "source/tls/secrets.h"
#include "source/xds/api_config_source.h"
#include "source/xds/decoder_thread.h"
#include "source/xds/file_watcher.h"
#include "source/xds/mux.h"
#include "source/xds/own_streams.h"
#include "source/xds/subscription_factory.h"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;
using BootstrapProto = envoy::config::bootstrap::v3::Bootstrap;

constexpr milliseconds kDefaultStatsFlush{5000};

thread::FileWriter::Options fileWriterOptions(const Options& options) {
  thread::FileWriter::Options out;
  out.flush_interval = options.file_flush_interval;
  out.limits.flush_threshold = options.file_flush_min_size_kb * 1024;
  out.limits.buffer_limit = std::max(out.limits.buffer_limit, 2 * out.limits.flush_threshold);
  return out;
}

thread::GuardDog::Timeouts watchdogTimeouts(const envoy::config::bootstrap::v3::Watchdog& config) {
  thread::GuardDog::Timeouts out;
  out.miss = milliseconds(config::durationOr(config.has_miss_timeout(), config.miss_timeout(), out.miss.count()));
  out.megamiss =
      milliseconds(config::durationOr(config.has_megamiss_timeout(), config.megamiss_timeout(), out.megamiss.count()));
  return out;
}

}  // namespace

/** Every part of a running server, made from top to bottom and destroyed from bottom to top. */
struct Server::Parts {
  Parts(Options given_options, Bootstrap given_bootstrap, const AddedFilters& added, config::Violations& violations);
  ~Parts();

  std::unique_ptr<event::Dispatcher> makeDecoderLoop();
  void makeControlPlane(config::Violations& violations);
  void addStaticResources(config::Violations& violations);
  void makeAdmin(config::Violations& violations);
  void writeFiles(config::Violations& violations);
  void start();
  void onClustersReady();
  void failToStart(const char* path, const absl::Status& reason);
  void onListenersReady();
  void setState(State next);
  void failHealthCheck(bool fail);
  void refreshStats();
  void flushHistograms();
  void drainListeners(const admin::DrainRequest& request);
  void noteFindings(const std::vector<std::string>& ignored, const std::vector<std::string>& unknown);
  absl::Status reopenLogs();
  void exit(const char* why);
  void shutdown();

  const Options options;
  const Bootstrap bootstrap;
  const base::MonotonicTime started = std::chrono::steady_clock::now();
  const base::RealClock clock;
  base::Random random;

  event::LibeventDispatcher main{"main_thread"};
  stats::Store store;
  ProcessStats process_stats;
  std::shared_ptr<const runtime::Snapshot> runtime;
  thread::SlotAllocator slots{main};
  thread::GuardDog guard_dog;
  thread::FileWriter file_writer;
  const access_log::OperatorTable log_operators = http::accessLogOperators();
  const access_log::LogFilterFactory log_filters{runtime, http::makeAccessLogFilter};
  access_log::FileLoggerFactory access_loggers{file_writer, log_operators, log_filters};

  listener::ConnectionLimit process_connections;
  listener::WorkerPool workers;

  xds::DecoderThread decoder;
  std::unique_ptr<xds::FileWatcher> file_watcher;
  ControlPlanes control_planes;
  std::unique_ptr<xds::Mux> ads;
  xds::OwnStreams own_streams;
  std::unique_ptr<xds::ConfigSourceSubscriptions> subscriptions;
  std::unique_ptr<tls::Secrets> secrets;
  std::shared_ptr<tls::ContextPublisher> tls_contexts;
  std::unique_ptr<cluster::DnsResolver> resolver;
  cluster::UpstreamTransportSocketFactories upstream_transports;
  std::unique_ptr<cluster::ClusterManager> clusters;

  std::unique_ptr<Extensions> extensions;
  std::unique_ptr<listener::ListenerBuilder> listener_builder;
  xds::InitManager server_init{"Server"};
  std::unique_ptr<listener::ListenerManager> listeners;
  std::unique_ptr<listener::Lds> lds;

  std::unique_ptr<admin::AdminServer> admin;

  State state = State::PreInitializing;
  /** The same for the admin thread, with what /healthcheck/fail makes of it. */
  std::atomic<State> shown_state{State::PreInitializing};
  bool health_failed = false;
  bool stopped = false;
  int status = 0;
  std::set<std::string> ignored_said;
  std::vector<std::unique_ptr<event::SignalEvent>> signals;
  std::unique_ptr<event::Timer> flush_timer;
  std::unique_ptr<event::Timer> flush_rest;
  std::unique_ptr<event::Timer> drain_timer;
  milliseconds flush_interval = kDefaultStatsFlush;
};

Server::Parts::Parts(Options given_options, Bootstrap given_bootstrap, const AddedFilters& added,
                     config::Violations& violations)
    : options(std::move(given_options)),
      bootstrap(std::move(given_bootstrap)),
      store(readStatsConfig(bootstrap.proto.stats_config(), options.stats_tags, config::FieldPath("stats_config"),
                            violations)),
      process_stats(*store.root(), options.concurrency),
      runtime(runtime::Snapshot::create(bootstrap.proto.layered_runtime(), config::FieldPath("layered_runtime"),
                                        violations)),
      guard_dog(*store.root(), clock),
      file_writer(*store.root(), fileWriterOptions(options)),
      workers(
          options.concurrency, main,
          [](const std::string& name) { return std::make_unique<event::LibeventDispatcher>(name); },
          process_connections),
      decoder(main, makeDecoderLoop(), {options.reject_unknown_dynamic_fields}),
      control_planes(main, bootstrap.proto.static_resources()),
      own_streams(
          main, *store.root(), decoder, random, bootstrap.proto.node(),
          [this](const auto& service, const auto& method) { return control_planes.transport(service, method); }) {
  decoder.setFindingsSink([this](const std::vector<std::string>& ignored, const std::vector<std::string>& unknown) {
    noteFindings(ignored, unknown);
  });
  if (bootstrap.proto.enable_dispatcher_stats()) {
    main.enableStatistics(*store.createScope("server"));
    for (uint32_t i = 0; i < workers.count(); ++i) {
      workers.dispatcher(i).enableStatistics(
          *store.createScope(absl::StrCat("listener_manager.", workers.dispatcher(i).name())));
    }
  }
  for (uint32_t i = 0; i < workers.count(); ++i) {
    slots.registerThread(workers.dispatcher(i));
  }
  auto watcher = xds::FileWatcher::create(main);
  if (!watcher.ok()) {
    violations.add("", std::string(watcher.status().message()));
    return;
  }
  file_watcher = *std::move(watcher);
  makeControlPlane(violations);
  subscriptions = std::make_unique<xds::ConfigSourceSubscriptions>(main, *store.root(), decoder, *file_watcher,
                                                                   ads.get(), own_streams);
  secrets = std::make_unique<tls::Secrets>(main, *store.root(), *subscriptions, *file_watcher);
  // Before all that may name them.
  secrets->addStatic(bootstrap.proto.static_resources().secrets(),
                     config::FieldPath("static_resources").field("secrets"), violations);
  tls_contexts = std::make_shared<tls::ContextPublisher>(main, slots);
  const filters::TlsServices tls{main, store.root(), file_writer, *secrets, tls_contexts};
  resolver = std::make_unique<cluster::CaresResolver>(main);
  addUpstreamTransportSockets(main, tls, upstream_transports);
  clusters = std::make_unique<cluster::ClusterManager>(main, slots, *store.root(), *runtime, *subscriptions, *resolver,
                                                       upstream_transports);
  extensions = std::make_unique<Extensions>(ExtensionContext{main, slots, *store.root(), *clusters, access_loggers,
                                                             log_operators, log_filters, runtime, *subscriptions,
                                                             *secrets, tls, bootstrap.proto.node()});
  if (added != nullptr) {
    added(main, extensions->filters());
  }
  listener_builder = std::make_unique<listener::ListenerBuilder>(main, extensions->filters(), access_loggers);
  listener::ListenerManagerOptions listener_options;
  listener_options.drain_time = options.drain_time;
  listener_options.open_sockets = options.mode != Mode::Validate;
  listeners = std::make_unique<listener::ListenerManager>(main, workers, *listener_builder, process_connections,
                                                          runtime, *store.root(), server_init, listener_options);
  addStaticResources(violations);
  if (options.mode != Mode::Validate && violations.empty()) {
    makeAdmin(violations);
  }
  if (options.mode != Mode::Validate && violations.empty()) {
    writeFiles(violations);
  }
}

Server::Parts::~Parts() { shutdown(); }

/** Its thread runs from the beginning, so it is watched before. */
std::unique_ptr<event::Dispatcher> Server::Parts::makeDecoderLoop() {
  auto loop = std::make_unique<event::LibeventDispatcher>("decoder");
  guard_dog.watch(*loop, "workers", watchdogTimeouts(bootstrap.proto.watchdogs().worker_watchdog()));
  return loop;
}

void Server::Parts::makeControlPlane(config::Violations& violations) {
  const auto& dynamic = bootstrap.proto.dynamic_resources();
  if (!dynamic.has_ads_config()) {
    return;
  }
  const config::FieldPath path("dynamic_resources.ads_config");
  auto config = xds::readApiConfigSource(dynamic.ads_config(), bootstrap.proto.node());
  if (!config.ok()) {
    violations.add(path, std::string(config.status().message()));
    return;
  }
  auto transport = control_planes.transport(config->service, xds::aggregatedMethod(config->options.variant));
  if (!transport.ok()) {
    violations.add(path.field("grpc_services").index(0).field("envoy_grpc").field("cluster_name"),
                   std::string(transport.status().message()));
    return;
  }
  ads = std::make_unique<xds::Mux>(main, *store.root(), decoder, random, *std::move(transport),
                                   config->service.envoy_grpc().cluster_name(), std::move(config->options));
}

void Server::Parts::addStaticResources(config::Violations& violations) {
  const auto& resources = bootstrap.proto.static_resources();
  const config::FieldPath path("static_resources");
  clusters->addStaticClusters(resources.clusters(), path.field("clusters"), violations);
  for (int i = 0; i < resources.listeners_size(); ++i) {
    listeners->addStatic(std::make_shared<envoy::config::listener::v3::Listener>(resources.listeners(i)),
                         path.field("listeners").index(static_cast<size_t>(i)), violations);
  }
}

void Server::Parts::makeAdmin(config::Violations& violations) {
  if (!bootstrap.proto.admin().has_address()) {
    return;
  }
  admin::AdminOptions admin_options{main, clock, store, &guard_dog, {}, {}, {}, {}};
  admin_options.facts.options = describeOptions(options);
  admin_options.facts.node = bootstrap.proto.node();
  admin_options.facts.bootstrap = bootstrap.proto;
  admin_options.facts.bootstrap_loaded = clock.systemNow();
  admin_options.facts.started = started;
  admin_options.facts.state = [this] {
    return static_cast<envoy::admin::v3::ServerInfo::State>(shown_state.load(std::memory_order_relaxed));
  };
  admin_options.views = admin::viewsOf(*listeners, *clusters);
  admin_options.views.visit_routes = [this](const std::string& after, http::RouteViewVisitor visit) {
    extensions->routes().visit(after, visit);
  };
  admin_options.views.visit_secrets = [this](const std::string& after, tls::SecretVisitor visit) {
    secrets->visit(after, visit);
  };
  admin_options.views.visit_certificates = [this](const auto* after, const auto& visit) {
    secrets->certificates().visit(after, visit);
  };
  admin_options.views.visit_validations = [this](const auto* after, const auto& visit) {
    secrets->validations().visit(after, visit);
  };
  admin_options.views.pending_server = [this] { return server_init.pending(); };
  admin_options.views.runtime = [this] { return runtime; };
  admin_options.actions.drain_listeners = [this](const admin::DrainRequest& request) { drainListeners(request); };
  admin_options.actions.fail_health_check = [this] { failHealthCheck(true); };
  admin_options.actions.pass_health_check = [this] { failHealthCheck(false); };
  admin_options.actions.reopen_logs = [this] { return reopenLogs(); };
  admin_options.actions.quit = [this] { exit("/quitquitquit"); };
  auto made = admin::AdminServer::create(std::move(admin_options));
  if (!made.ok()) {
    violations.add("admin.address", std::string(made.status().message()));
    return;
  }
  admin = *std::move(made);
}

void Server::Parts::drainListeners(const admin::DrainRequest& request) {
  if (!request.graceful) {
    listeners->stopListeners(request.inbound_only);
    return;
  }
  // HTTP's clients are asked to go. TCP has no way of asking; its clients have the drain time to notice.
  net::DrainRules::get().server_since.store(main.now().time_since_epoch() / std::chrono::nanoseconds(1),
                                            std::memory_order_relaxed);
  if (!request.skip_exit) {
    drain_timer =
        main.createTimer([this, inbound_only = request.inbound_only] { listeners->stopListeners(inbound_only); });
    drain_timer->enable(options.drain_time);
  }
}

void Server::Parts::writeFiles(config::Violations& violations) {
  const auto write = [&violations](const char* flag, const std::string& path, const std::string& content) {
    std::ofstream file(path, std::ios::trunc);
    if (!(file << content << std::flush)) {
      violations.add(flag, absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
    }
  };
  if (!options.base_id_path.empty()) {
    write("--base-id-path", options.base_id_path, absl::StrCat(options.base_id));
  }
  if (!options.admin_address_path.empty() && admin != nullptr) {
    write("--admin-address-path", options.admin_address_path, admin->localAddress().toString());
  }
}

void Server::Parts::start() {
  net::DrainRules& drain = net::DrainRules::get();
  drain.time_ms.store(milliseconds(options.drain_time).count(), std::memory_order_relaxed);
  drain.gradual.store(options.drain_strategy == DrainStrategy::Gradual, std::memory_order_relaxed);
  process_stats.setState(state);
  process_stats.countStaticUnknownFields(bootstrap.unknown.size());
  for (const std::string& field : bootstrap.unknown) {
    LOG_WARNING(config, "{}: unknown field {}, left out", bootstrap.subject, field);
  }
  noteFindings(bootstrap.ignored, {});

  for (const int number : {SIGTERM, SIGINT}) {
    signals.push_back(
        main.createSignalEvent(number, [this, number] { exit(number == SIGTERM ? "SIGTERM" : "SIGINT"); }));
  }
  signals.push_back(main.createSignalEvent(SIGUSR1, [this] {
    const absl::Status reopened = reopenLogs();
    if (!reopened.ok()) {
      LOG_ERROR(main, "cannot reopen the log: {}", reopened.message());
    }
  }));
  signals.push_back(main.createSignalEvent(SIGHUP, [] { LOG_WARNING(main, "SIGHUP is ignored"); }));

  if (bootstrap.proto.has_stats_flush_interval()) {
    flush_interval = milliseconds(config::toMilliseconds(bootstrap.proto.stats_flush_interval()));
  }
  flush_timer = main.createTimer([this] {
    refreshStats();
    flushHistograms();
  });
  refreshStats();
  flush_timer->enable(flush_interval);

  const auto& watchdogs = bootstrap.proto.watchdogs();
  const thread::GuardDog::Timeouts worker_timeouts = watchdogTimeouts(watchdogs.worker_watchdog());
  guard_dog.watch(main, "main_thread", watchdogTimeouts(watchdogs.main_thread_watchdog()));
  for (uint32_t i = 0; i < workers.count(); ++i) {
    guard_dog.watch(workers.dispatcher(i), "workers", worker_timeouts);
  }
  guard_dog.start();
  if (admin != nullptr) {
    admin->start();
    LOG_INFO(admin, "admin address: {}", admin->localAddress().toString());
  }

  const auto& dynamic = bootstrap.proto.dynamic_resources();
  const absl::Status started_well =
      clusters->initialize(dynamic.has_cds_config() ? &dynamic.cds_config() : nullptr, [this] { onClustersReady(); });
  if (!started_well.ok() && status == 0) {
    failToStart("dynamic_resources.cds_config", started_well);
  }
}

void Server::Parts::failToStart(const char* path, const absl::Status& reason) {
  LOG_CRITICAL(main, "{}: {}: {}", bootstrap.subject, path, reason.message());
  status = 1;
  main.exit();
}

void Server::Parts::onClustersReady() {
  if (!clusters->cdsStatus().ok()) {
    failToStart("dynamic_resources.cds_config", clusters->cdsStatus());
    return;
  }
  LOG_INFO(main, "all clusters are initialised; starting listeners");
  setState(State::Initializing);
  const auto& dynamic = bootstrap.proto.dynamic_resources();
  if (dynamic.has_lds_config()) {
    auto made = listener::Lds::create(dynamic.lds_config(), *subscriptions, *listeners, main, server_init);
    if (!made.ok()) {
      failToStart("dynamic_resources.lds_config", made.status());
      return;
    }
    lds = *std::move(made);
  }
  server_init.initialize([this] { onListenersReady(); });
}

void Server::Parts::onListenersReady() {
  // What is torn down counts as ready for whoever waited for it.
  if (stopped) {
    return;
  }
  if (options.mode == Mode::InitOnly) {
    exit("all is initialised, as --mode init_only asks");
    return;
  }
  listener::WorkerHooks hooks;
  hooks.on_stop = [this](event::Dispatcher& dispatcher) { slots.shutdownThread(dispatcher); };
  workers.start(hooks, [this] {
    if (stopped) {
      return;
    }
    listeners->startWorkers([this] {
      setState(State::Live);
      process_stats.initialized(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - started));
      LOG_INFO(main, "live: {} workers serve", workers.count());
    });
  });
}

void Server::Parts::setState(State next) {
  state = next;
  const State shown = health_failed && state == State::Live ? State::Draining : state;
  shown_state.store(shown, std::memory_order_relaxed);
  process_stats.setState(shown);
}

void Server::Parts::failHealthCheck(bool fail) {
  health_failed = fail;
  net::DrainRules::get().health_check_failed.store(fail, std::memory_order_relaxed);
  setState(state);
}

void Server::Parts::refreshStats() {
  process_stats.refresh(std::chrono::duration_cast<std::chrono::seconds>(main.now() - started),
                        process_connections.open());
  process_stats.setFirstExpiry(secrets->untilFirstExpires());
}

void Server::Parts::flushHistograms() {
  // In parts, with a turn between them: ten thousand clusters have as many histograms.
  constexpr size_t kScopesPerTurn = 50;
  if (store.latchHistograms(kScopesPerTurn)) {
    flush_timer->enable(flush_interval);
  } else {
    flush_rest = main.createTimer([this] { flushHistograms(); });
    flush_rest->enable(milliseconds(0));
  }
}

void Server::Parts::noteFindings(const std::vector<std::string>& ignored, const std::vector<std::string>& unknown) {
  process_stats.countIgnoredFields(ignored.size());
  for (const std::string& field : ignored) {
    if (ignored_said.insert(field).second) {
      LOG_INFO(config, "{} is set and has no effect (docs/xds_support.md says why)", field);
    }
  }
  if (!options.ignore_unknown_dynamic_fields) {
    process_stats.countDynamicUnknownFields(unknown.size());
    for (const std::string& field : unknown) {
      LOG_DEBUG(config, "unknown field in a resource: {}", field);
    }
  }
}

absl::Status Server::Parts::reopenLogs() {
  file_writer.reopenAll();
  return base::log::reopen();
}

void Server::Parts::exit(const char* why) {
  LOG_INFO(main, "shutting down: {}", why);
  main.exit();
}

void Server::Parts::shutdown() {
  if (std::exchange(stopped, true)) {
    return;
  }
  admin.reset();
  guard_dog.stop();
  guard_dog.unwatch(main);
  flush_timer.reset();
  flush_rest.reset();
  drain_timer.reset();
  lds.reset();
  if (clusters != nullptr) {
    clusters->shutdown();
  }
  workers.stop();
  // What the workers posted back dies here, while all that it refers to still lives.
  main.run(event::Dispatcher::RunType::NonBlock);
  listeners.reset();
  main.run(event::Dispatcher::RunType::NonBlock);
  slots.shutdownThread(main);
  main.clearDeferredDeletes();
  file_writer.stop();
  // Last: a second SIGTERM meanwhile is not to cut the end short.
  signals.clear();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

std::unique_ptr<Server> Server::create(Options options, Bootstrap bootstrap, const AddedFilters& added,
                                       config::Violations& violations) {
  auto parts = std::make_unique<Parts>(std::move(options), std::move(bootstrap), added, violations);
  if (!violations.empty()) {
    return nullptr;
  }
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

int Server::run() {
  parts_->main.post([this] { parts_->start(); });
  parts_->main.run(event::Dispatcher::RunType::UntilExit);
  parts_->shutdown();
  LOG_INFO(main, "ended");
  return parts_->status;
}

}  // namespace sluice::server
