#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/base/logging.h"

namespace sluice::server {

enum class Mode {
  Serve,
  /** Does all but open sockets, says whether the configuration is good, and exits. */
  Validate,
  /** Stops once everything is initialised. */
  InitOnly,
};

enum class DrainStrategy { Gradual, Immediate };

/** The command line as plain data, each with Envoy's default. */
struct Options {
  std::string config_path;
  std::string config_yaml;
  Mode mode = Mode::Serve;
  uint32_t concurrency = 0;

  std::string service_node;
  std::string service_cluster;
  std::string service_zone;

  base::LogLevel log_level = base::LogLevel::Info;
  std::string component_log_level;
  std::string log_path;
  std::string log_format = base::log::kDefaultFormat;
  bool log_format_given = false;
  bool log_format_escaped = false;

  std::string admin_address_path;
  std::string local_address_ip_version = "v4";
  std::chrono::seconds drain_time{600};
  DrainStrategy drain_strategy = DrainStrategy::Gradual;
  std::chrono::seconds parent_shutdown_time{900};
  std::chrono::milliseconds file_flush_interval{10000};
  uint64_t file_flush_min_size_kb = 64;

  bool allow_unknown_static_fields = false;
  bool reject_unknown_dynamic_fields = false;
  bool ignore_unknown_dynamic_fields = false;
  bool skip_deprecated_logs = false;

  uint32_t base_id = 0;
  bool use_dynamic_base_id = false;
  std::string base_id_path;
  uint32_t restart_epoch = 0;
  bool disable_hot_restart = false;
  std::string socket_path = "@envoy_domain_socket";
  uint32_t socket_mode = 0;

  bool cpuset_threads = false;
  bool enable_core_dump = false;
  std::vector<std::pair<std::string, std::string>> stats_tags;

  /** Flags that were given, are accepted and have no effect; each is said once in the log. */
  std::vector<std::string> without_effect;
};

}  // namespace sluice::server
