#include "source/server/flags.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "source/base/version.h"
#include "source/config/nearest.h"

namespace sluice::server {
namespace {

using absl::InvalidArgumentError;
using absl::OkStatus;
using absl::Status;
using absl::string_view;

Status readNumber(string_view value, uint32_t& out) {
  return absl::SimpleAtoi(value, &out) ? OkStatus()
                                       : InvalidArgumentError(absl::StrCat("'", value, "' is not a whole number"));
}

template <uint32_t Options::*field>
Status number(Options& options, string_view value) {
  return readNumber(value, options.*field);
}

template <std::chrono::seconds Options::*field>
Status seconds(Options& options, string_view value) {
  uint32_t count = 0;
  Status status = readNumber(value, count);
  if (status.ok()) {
    options.*field = std::chrono::seconds(count);
  }
  return status;
}

template <std::string Options::*field>
Status text(Options& options, string_view value) {
  options.*field = std::string(value);
  return OkStatus();
}

template <bool Options::*field>
Status flag(Options& options, string_view) {
  options.*field = true;
  return OkStatus();
}

Status nothing(Options&, string_view) { return OkStatus(); }

Status setMode(Options& options, string_view value) {
  if (value == "serve") {
    options.mode = Mode::Serve;
  } else if (value == "validate") {
    options.mode = Mode::Validate;
  } else if (value == "init_only") {
    options.mode = Mode::InitOnly;
  } else {
    return InvalidArgumentError(absl::StrCat("unknown mode '", value, "': it is serve, validate or init_only"));
  }
  return OkStatus();
}

Status setLogLevel(Options& options, string_view value) {
  return base::parseLogLevel(value, options.log_level)
             ? OkStatus()
             : InvalidArgumentError(absl::StrCat("unknown level '", value,
                                                 "': it is trace, debug, info, warning, error, critical or off"));
}

Status setLogFormat(Options& options, string_view value) {
  options.log_format = std::string(value);
  options.log_format_given = true;
  return OkStatus();
}

Status setDrainStrategy(Options& options, string_view value) {
  if (value == "gradual") {
    options.drain_strategy = DrainStrategy::Gradual;
  } else if (value == "immediate") {
    options.drain_strategy = DrainStrategy::Immediate;
  } else {
    return InvalidArgumentError(absl::StrCat("unknown strategy '", value, "': it is gradual or immediate"));
  }
  return OkStatus();
}

Status setIpVersion(Options& options, string_view value) {
  if (value != "v4" && value != "v6") {
    return InvalidArgumentError(absl::StrCat("unknown IP version '", value, "': it is v4 or v6"));
  }
  options.local_address_ip_version = std::string(value);
  return OkStatus();
}

Status setFlushInterval(Options& options, string_view value) {
  uint32_t count = 0;
  Status status = readNumber(value, count);
  if (status.ok() && count == 0) {
    return InvalidArgumentError("must be greater than 0");
  }
  options.file_flush_interval = std::chrono::milliseconds(count);
  return status;
}

Status setFlushSize(Options& options, string_view value) {
  uint32_t count = 0;
  Status status = readNumber(value, count);
  options.file_flush_min_size_kb = count;
  return status;
}

Status setConcurrency(Options& options, string_view value) {
  Status status = readNumber(value, options.concurrency);
  if (status.ok() && options.concurrency > 1024) {
    return InvalidArgumentError("more than 1024 workers are never right");
  }
  // Envoy takes 0 for 1.
  options.concurrency = std::max(options.concurrency, 1u);
  return status;
}

Status setRestartEpoch(Options& options, string_view value) {
  Status status = readNumber(value, options.restart_epoch);
  if (status.ok() && options.restart_epoch != 0) {
    return absl::UnimplementedError("Sluice has no hot restart, so only epoch 0 can be started");
  }
  return status;
}

Status setSocketMode(Options& options, string_view value) {
  const std::string digits(value);
  char* end = nullptr;
  const unsigned long mode = std::strtoul(digits.c_str(), &end, 8);
  if (digits.empty() || *end != '\0' || mode > 0777) {
    return InvalidArgumentError(absl::StrCat("'", value, "' is not an octal file mode such as 600"));
  }
  options.socket_mode = static_cast<uint32_t>(mode);
  return OkStatus();
}

Status addStatsTag(Options& options, string_view value) {
  const std::pair<std::string, std::string> tag = absl::StrSplit(value, absl::MaxSplits(':', 1));
  if (tag.first.empty() || !absl::StrContains(value, ":") ||
      !std::all_of(tag.first.begin(), tag.first.end(), absl::ascii_isalnum)) {
    return InvalidArgumentError(absl::StrCat("'", value, "' is not of the form tag:value with an alphanumeric tag"));
  }
  if (absl::StrContains(tag.second, ".")) {
    return InvalidArgumentError(absl::StrCat("the value of tag '", tag.first, "' may not hold a dot"));
  }
  for (const auto& [name, other] : options.stats_tags) {
    if (name == tag.first) {
      return InvalidArgumentError(absl::StrCat("tag '", name, "' is given twice"));
    }
  }
  options.stats_tags.push_back(tag);
  return OkStatus();
}

constexpr string_view kHotRestart = "hot restart is not there yet";

constexpr FlagSupport kWorks = FlagSupport::Works;
constexpr FlagSupport kNoEffect = FlagSupport::WithoutEffect;
constexpr FlagSupport kRefused = FlagSupport::Refused;

constexpr Flag kFlags[] = {
    {"config-path", 'c', "<file>", kWorks, "The bootstrap, in YAML or JSON", text<&Options::config_path>},
    {"config-yaml", 0, "<yaml>", kWorks, "A bootstrap given inline; merged over that of --config-path",
     text<&Options::config_yaml>},
    {"mode", 0, "<mode>", kWorks,
     "serve (default); validate: check the configuration and exit; init_only: initialise and exit", setMode},
    {"concurrency", 0, "<number>", kWorks, "Worker threads; default: the CPUs that this process may use",
     setConcurrency},
    {"cpuset-threads", 0, "", kWorks, "Workers by the process's CPU set, which is the default",
     flag<&Options::cpuset_threads>},
    {"service-node", 0, "<id>", kWorks, "node.id, for the control plane", text<&Options::service_node>},
    {"service-cluster", 0, "<name>", kWorks, "node.cluster, for the control plane", text<&Options::service_cluster>},
    {"service-zone", 0, "<zone>", kWorks, "node.locality.zone, for the control plane", text<&Options::service_zone>},
    {"log-level", 'l', "<level>", kWorks, "trace, debug, info (default), warning, error, critical or off", setLogLevel},
    {"component-log-level", 0, "<list>", kWorks, "Levels of single components, as in upstream:debug,config:trace",
     text<&Options::component_log_level>},
    {"log-path", 0, "<file>", kWorks, "Log to a file, which SIGUSR1 reopens, instead of standard error",
     text<&Options::log_path>},
    {"log-format", 0, "<format>", kWorks, "Pattern of a log line, as spdlog writes it", setLogFormat},
    {"log-format-escaped", 0, "", kWorks, "Escape newlines inside log messages", flag<&Options::log_format_escaped>},
    {"admin-address-path", 0, "<file>", kWorks, "Write the admin server's address to this file",
     text<&Options::admin_address_path>},
    {"drain-time-s", 0, "<seconds>", kWorks, "How long connections of removed or changed listeners may go on; 600",
     seconds<&Options::drain_time>},
    {"drain-strategy", 0, "<strategy>", kNoEffect, "only HTTP connections are asked to go; TCP ones drain at the end",
     setDrainStrategy},
    {"file-flush-interval-msec", 0, "<ms>", kWorks, "How often access logs are written; 10000", setFlushInterval},
    {"file-flush-min-size-kb", 0, "<KiB>", kWorks, "Access logs are written at once from this size on; 64",
     setFlushSize},
    {"allow-unknown-static-fields", 0, "", kWorks, "Count unknown fields of the bootstrap instead of refusing them",
     flag<&Options::allow_unknown_static_fields>},
    {"allow-unknown-fields", 0, "", kWorks, "Deprecated name of --allow-unknown-static-fields",
     flag<&Options::allow_unknown_static_fields>},
    {"reject-unknown-dynamic-fields", 0, "", kWorks, "Refuse xDS resources with unknown fields",
     flag<&Options::reject_unknown_dynamic_fields>},
    {"ignore-unknown-dynamic-fields", 0, "", kWorks, "Do not even count unknown fields of xDS resources",
     flag<&Options::ignore_unknown_dynamic_fields>},
    {"enable-core-dump", 0, "", kWorks, "Let a crash write a core file", flag<&Options::enable_core_dump>},
    {"stats-tag", 0, "<tag:value>", kWorks, "A tag of every statistic; may be repeated", addStatsTag},
    {"base-id-path", 0, "<file>", kWorks, "Write the base id to this file", text<&Options::base_id_path>},
    {"version", 0, "", kWorks, "Print the version and exit", nothing},
    {"hot-restart-version", 0, "", kWorks, "Print the hot restart version and exit: disabled", nothing},
    {"help", 'h', "", kWorks, "Print this and exit", nothing},
    {"disable-hot-restart", 0, "", kNoEffect, kHotRestart, flag<&Options::disable_hot_restart>},
    {"restart-epoch", 0, "<number>", kNoEffect, "hot restart is not there yet; other than 0 is refused",
     setRestartEpoch},
    {"base-id", 0, "<number>", kNoEffect, "instances share nothing that would need it", number<&Options::base_id>},
    {"use-dynamic-base-id", 0, "", kNoEffect, "instances share nothing that would need it",
     flag<&Options::use_dynamic_base_id>},
    {"parent-shutdown-time-s", 0, "<seconds>", kNoEffect, kHotRestart, seconds<&Options::parent_shutdown_time>},
    {"socket-path", 0, "<path>", kNoEffect, kHotRestart, text<&Options::socket_path>},
    {"socket-mode", 0, "<mode>", kNoEffect, kHotRestart, setSocketMode},
    {"skip-hot-restart-on-no-parent", 0, "", kNoEffect, kHotRestart, nothing},
    {"skip-hot-restart-parent-stats", 0, "", kNoEffect, kHotRestart, nothing},
    {"local-address-ip-version", 0, "<v4|v6>", kNoEffect, "Sluice asks its sockets for their addresses", setIpVersion},
    {"skip-deprecated-logs", 0, "", kNoEffect, "Sluice logs no deprecations", flag<&Options::skip_deprecated_logs>},
    {"log-stacktrace-single-entry", 0, "", kNoEffect, "a backtrace always goes out line by line", nothing},
    {"enable-fine-grain-logging", 0, "", kRefused, "levels are set for components, see --component-log-level", nullptr},
    {"enable-mutex-tracing", 0, "", kRefused, "workers share no mutex whose contention could be traced", nullptr},
    {"disable-extensions", 0, "<list>", kRefused, "every extension is always there; refuse it in the control plane",
     nullptr},
};

const Flag* find(string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name || (flag.letter != 0 && name.size() == 1 && name[0] == flag.letter)) {
      return &flag;
    }
  }
  return nullptr;
}

std::string spelled(const Flag& flag) { return absl::StrCat("--", flag.name); }

std::string helpText() {
  std::string out = "USAGE: sluice -c <file> [flags]\n";
  const struct {
    FlagSupport support;
    string_view title;
  } sections[] = {{kWorks, "Flags"},
                  {kNoEffect, "Flags of Envoy that are accepted without effect, and why"},
                  {kRefused, "Flags of Envoy that are refused, and why"}};
  for (const auto& section : sections) {
    absl::StrAppend(&out, "\n", section.title, ":\n");
    for (const Flag& flag : kFlags) {
      if (flag.support == section.support) {
        const std::string letter = flag.letter != 0 ? absl::StrCat("-", std::string(1, flag.letter), ", ") : "";
        const std::string head =
            absl::StrCat("  ", letter, spelled(flag), flag.argument.empty() ? "" : " ", flag.argument);
        absl::StrAppend(&out, head, std::string(head.size() < 38 ? 38 - head.size() : 1, ' '), flag.help, "\n");
      }
    }
  }
  return out;
}

std::string unknownFlag(string_view name) {
  std::vector<std::string> names;
  for (const Flag& flag : kFlags) {
    names.push_back(spelled(flag));
  }
  return absl::StrCat("unknown flag '", name, "'", config::didYouMean(name, names));
}

}  // namespace

absl::Span<const Flag> allFlags() { return kFlags; }

std::variant<Options, PrintAndExit, FlagErrors> parseFlags(absl::Span<const char* const> arguments) {
  Options options;
  FlagErrors failed;
  std::string print;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const string_view argument = arguments[i];
    if (argument == "--") {
      break;
    }
    if (argument.size() < 2 || argument[0] != '-') {
      failed.errors.push_back(absl::StrCat("unexpected argument '", argument, "'"));
      continue;
    }
    const bool is_long = argument[1] == '-';
    const string_view body = argument.substr(is_long ? 2 : 1);
    const size_t equals = is_long ? body.find('=') : string_view::npos;
    const string_view name = body.substr(0, equals);
    const Flag* flag = is_long == (name.size() > 1) ? find(name) : nullptr;
    if (flag == nullptr) {
      failed.errors.push_back(unknownFlag(argument.substr(0, argument.find('='))));
      // What follows is probably the unknown flag's value, not a mistake of its own.
      if (equals == string_view::npos && i + 1 < arguments.size() && arguments[i + 1][0] != '-') {
        ++i;
      }
      continue;
    }
    string_view value;
    if (flag->argument.empty()) {
      if (equals != string_view::npos) {
        failed.errors.push_back(absl::StrCat(spelled(*flag), " takes no value"));
        continue;
      }
    } else if (equals != string_view::npos) {
      value = body.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      failed.errors.push_back(absl::StrCat(spelled(*flag), " needs a value: ", flag->argument));
      continue;
    }
    if (flag->support == FlagSupport::Refused) {
      failed.errors.push_back(absl::StrCat(spelled(*flag), " is not supported: ", flag->help));
      continue;
    }
    const Status status = flag->apply(options, value);
    if (!status.ok()) {
      failed.errors.push_back(absl::StrCat(spelled(*flag), ": ", status.message()));
      continue;
    }
    if (flag->support == FlagSupport::WithoutEffect) {
      options.without_effect.push_back(absl::StrCat(spelled(*flag), ": ", flag->help));
    }
    if (flag->name == "help") {
      print = helpText();
    } else if (flag->name == "version") {
      print = absl::StrCat("\nsluice  version: ", base::versionString(), "\n\n");
    } else if (flag->name == "hot-restart-version") {
      print = "disabled\n";
    }
  }
  if (!print.empty()) {
    return PrintAndExit{std::move(print)};
  }
  if (options.restart_epoch == 0 && options.config_path.empty() && options.config_yaml.empty() &&
      failed.errors.empty()) {
    failed.errors.push_back("at least one of --config-path and --config-yaml is needed");
  }
  if (!failed.errors.empty()) {
    return failed;
  }
  if (options.concurrency == 0) {
    options.concurrency = usableCpus();
  }
  return options;
}

}  // namespace sluice::server
