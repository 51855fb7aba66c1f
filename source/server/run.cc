#include "source/server/run.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <iostream>

#include "absl/strings/str_cat.h"

#include "source/base/crash.h"
#include "source/base/logging.h"
#include "source/base/version.h"
#include "source/server/bootstrap.h"
#include "source/server/flags.h"
#include "source/server/server.h"

namespace sluice::server {
namespace {

absl::Status setUpLog(const Options& options) {
  base::log::setLevel(options.log_level);
  if (!options.component_log_level.empty()) {
    const absl::Status status = base::log::setComponentLevels(options.component_log_level);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--component-log-level: ", status.message()));
    }
  }
  base::log::setFormat(options.log_format);
  base::log::setEscapeNewlines(options.log_format_escaped);
  if (!options.log_path.empty()) {
    const absl::Status status = base::log::openFile(options.log_path);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--log-path: ", status.message()));
    }
  }
  return absl::OkStatus();
}

/** The bootstrap may set the log's format, unless the command line does. */
void applyLogConfig(const Options& options, const Bootstrap& bootstrap, config::Violations& violations) {
  const auto& config = bootstrap.proto.application_log_config();
  if (config.log_format().log_format_case() !=
      envoy::config::bootstrap::v3::Bootstrap::ApplicationLogConfig::LogFormat::kTextFormat) {
    return;
  }
  if (options.log_format_given) {
    violations.add("application_log_config.log_format", "may not be set together with --log-format");
    return;
  }
  base::log::setFormat(config.log_format().text_format());
}

/** Every connection takes a descriptor or two; the soft limit is a default of shells, not a decision. */
void raiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      LOG_WARNING(main, "cannot raise the limit of open files: {}", std::strerror(errno));
    }
  }
}

void enableCoreDump() {
  rlimit limit{};
  if (prctl(PR_SET_DUMPABLE, 1) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0) {
    LOG_WARNING(main, "cannot enable core dumps: {}", std::strerror(errno));
    return;
  }
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_CORE, &limit) != 0) {
    LOG_WARNING(main, "cannot enable core dumps: {}", std::strerror(errno));
  }
}

int serve(Options options, const AddedFilters& added) {
  config::Violations violations;
  Bootstrap bootstrap = loadBootstrap(options, violations);
  applyLogConfig(options, bootstrap, violations);
  const std::string subject = bootstrap.subject;
  const config::SourceMap locations = bootstrap.locations;
  const bool validate = options.mode == Mode::Validate;
  std::unique_ptr<Server> server = Server::create(std::move(options), std::move(bootstrap), added, violations);
  if (server == nullptr || !violations.empty()) {
    std::cerr << describeMistakes(subject, locations, violations) << std::flush;
    return 1;
  }
  if (validate) {
    std::cout << "configuration '" << subject << "' OK" << std::endl;
    return 0;
  }
  return server->run();
}

}  // namespace

int run(int argc, const char* const* argv, const AddedFilters& added) {
  base::installCrashHandler(argv[0]);
  std::signal(SIGPIPE, SIG_IGN);
  auto parsed = parseFlags(absl::MakeConstSpan(argv + 1, static_cast<size_t>(std::max(argc - 1, 0))));
  if (const auto* print = std::get_if<PrintAndExit>(&parsed)) {
    std::cout << print->text << std::flush;
    return 0;
  }
  if (const auto* wrong = std::get_if<FlagErrors>(&parsed)) {
    for (const std::string& error : wrong->errors) {
      std::cerr << "sluice: " << error << "\n";
    }
    std::cerr << "sluice --help lists all flags\n";
    return 1;
  }
  Options options = std::move(std::get<Options>(parsed));
  const absl::Status log = setUpLog(options);
  if (!log.ok()) {
    std::cerr << "sluice: " << log.message() << "\n";
    return 1;
  }
  LOG_INFO(main, "sluice {}, {} workers", base::versionString(), options.concurrency);
  for (const std::string& flag : options.without_effect) {
    LOG_INFO(main, "accepted without effect: {}", flag);
  }
  raiseDescriptorLimit();
  if (options.enable_core_dump) {
    enableCoreDump();
  }
  return serve(std::move(options), added);
}

}  // namespace sluice::server
