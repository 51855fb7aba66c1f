// Serves a folder of YAML resources over xDS, pushes when a file changes, and prints what the proxies answer.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "control_plane_mock/printer.h"
#include "control_plane_mock/resource_folder.h"
#include "control_plane_mock/server.h"
#include "source/event/libevent_dispatcher.h"
#include "source/xds/file_watcher.h"
#include "source/xds/resource_name.h"

namespace sluice::control_plane_mock {
namespace {

constexpr char kUsage[] =
    "usage: control_plane_mock --listen 127.0.0.1:18000|unix:/path --resources DIR\n"
    "\n"
    "Serves the xDS resources in DIR (*.yaml, *.yml, *.json) over ADS and the services of single types, state of the\n"
    "world or delta as the proxy asks, and pushes when a file changes. A file holds a `resources:` list or one\n"
    "resource, each with its \"@type\".\n";

/** Files of one save, or of one `git checkout`, are pushed together. */
constexpr std::chrono::milliseconds kSettle(50);

struct Flags {
  std::string listen = "127.0.0.1:18000";
  std::string resources;
};

bool parseFlags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    const absl::string_view name = argument.substr(0, equals);
    std::string* const value = name == "--listen" ? &flags.listen : name == "--resources" ? &flags.resources : nullptr;
    if (value == nullptr) {
      fprintf(stderr, "control_plane_mock: unknown argument '%s'\n%s", argv[i], kUsage);
      return false;
    }
    if (equals != absl::string_view::npos) {
      *value = std::string(argument.substr(equals + 1));
    } else if (i + 1 < argc) {
      *value = argv[++i];
    }
  }
  if (flags.resources.empty()) {
    fprintf(stderr, "control_plane_mock: --resources is missing\n%s", kUsage);
    return false;
  }
  return true;
}

/** CDS before EDS before LDS before the rest, as make-before-break wants it. */
int pushOrder(absl::string_view type_url) {
  return absl::EndsWith(type_url, ".Cluster")                 ? 0
         : absl::EndsWith(type_url, ".ClusterLoadAssignment") ? 1
         : absl::EndsWith(type_url, ".Listener")              ? 2
                                                              : 3;
}

void reload(ResourceFolder& folder, Server& server) {
  ResourceFolder::Loaded loaded = folder.load();
  for (const std::string& error : loaded.errors) {
    printLine(absl::StrCat("MISTAKE   ", error));
  }
  std::stable_sort(loaded.changed_types.begin(), loaded.changed_types.end(),
                   [](const std::string& a, const std::string& b) { return pushOrder(a) < pushOrder(b); });
  for (const std::string& type : loaded.changed_types) {
    const auto& resources = folder.resources().at(type);
    printLine(absl::StrCat("loaded    ", xds::shortTypeName(type), "  ", resources.size(),
                           resources.size() == 1 ? " resource" : " resources"));
    server.setResources(type, resources);
  }
  if (!loaded.errors.empty()) {
    printLine("          what broken files said before is still served");
  }
}

int run(const Flags& flags) {
  event::LibeventDispatcher dispatcher("main_thread");
  auto files = xds::FileWatcher::create(dispatcher);
  if (!files.ok()) {
    fprintf(stderr, "control_plane_mock: %s\n", std::string(files.status().message()).c_str());
    return 1;
  }
  auto server = Server::start(flags.listen);
  if (!server.ok()) {
    fprintf(stderr, "control_plane_mock: %s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  (*server)->setObserver([](const Event& event) { printLine(describe(event)); });
  ResourceFolder folder(flags.resources);
  auto timer = dispatcher.createTimer([&] { reload(folder, **server); });
  auto watch = (*files)->watchDirectory(flags.resources, xds::FileWatcher::On::AnyChange, [&](absl::string_view name) {
    if (name.empty() || ResourceFolder::isResourceFile(name)) {
      timer->enable(kSettle);
    }
  });
  if (!watch.ok()) {
    fprintf(stderr, "control_plane_mock: %s\n", std::string(watch.status().message()).c_str());
    return 1;
  }
  auto on_interrupt = dispatcher.createSignalEvent(SIGINT, [&] { dispatcher.exit(); });
  auto on_terminate = dispatcher.createSignalEvent(SIGTERM, [&] { dispatcher.exit(); });
  printLine(absl::StrCat("serving ", flags.resources, " on ", (*server)->address()));
  reload(folder, **server);
  dispatcher.run(event::Dispatcher::RunType::UntilExit);
  return 0;
}

}  // namespace
}  // namespace sluice::control_plane_mock

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (absl::string_view(argv[i]) == "--help") {
      printf("%s", sluice::control_plane_mock::kUsage);
      return 0;
    }
  }
  sluice::control_plane_mock::Flags flags;
  return sluice::control_plane_mock::parseFlags(argc, argv, flags) ? sluice::control_plane_mock::run(flags) : 1;
}
