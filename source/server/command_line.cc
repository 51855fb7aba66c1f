#include "source/server/command_line.h"

#include "absl/strings/str_cat.h"

namespace sluice::server {

using envoy::admin::v3::CommandLineOptions;

envoy::admin::v3::CommandLineOptions describeOptions(const Options& options) {
  CommandLineOptions out;
  out.set_base_id(options.base_id);
  out.set_use_dynamic_base_id(options.use_dynamic_base_id);
  out.set_base_id_path(options.base_id_path);
  out.set_concurrency(options.concurrency);
  out.set_config_path(options.config_path);
  out.set_config_yaml(options.config_yaml);
  out.set_allow_unknown_static_fields(options.allow_unknown_static_fields);
  out.set_reject_unknown_dynamic_fields(options.reject_unknown_dynamic_fields);
  out.set_ignore_unknown_dynamic_fields(options.ignore_unknown_dynamic_fields);
  out.set_skip_deprecated_logs(options.skip_deprecated_logs);
  out.set_admin_address_path(options.admin_address_path);
  out.set_local_address_ip_version(options.local_address_ip_version == "v6" ? CommandLineOptions::v6
                                                                            : CommandLineOptions::v4);
  out.set_log_level(std::string(base::logLevelName(options.log_level)));
  out.set_component_log_level(options.component_log_level);
  out.set_log_format(options.log_format);
  out.set_log_format_escaped(options.log_format_escaped);
  out.set_log_path(options.log_path);
  out.set_service_cluster(options.service_cluster);
  out.set_service_node(options.service_node);
  out.set_service_zone(options.service_zone);
  out.mutable_file_flush_interval()->set_seconds(options.file_flush_interval.count() / 1000);
  out.mutable_file_flush_interval()->set_nanos(
      static_cast<int32_t>(options.file_flush_interval.count() % 1000 * 1'000'000));
  out.mutable_drain_time()->set_seconds(options.drain_time.count());
  out.set_drain_strategy(options.drain_strategy == DrainStrategy::Immediate ? CommandLineOptions::Immediate
                                                                            : CommandLineOptions::Gradual);
  out.mutable_parent_shutdown_time()->set_seconds(options.parent_shutdown_time.count());
  switch (options.mode) {
    case Mode::Serve:
      out.set_mode(CommandLineOptions::Serve);
      break;
    case Mode::Validate:
      out.set_mode(CommandLineOptions::Validate);
      break;
    case Mode::InitOnly:
      out.set_mode(CommandLineOptions::InitOnly);
      break;
  }
  out.set_disable_hot_restart(options.disable_hot_restart);
  out.set_restart_epoch(options.restart_epoch);
  out.set_cpuset_threads(options.cpuset_threads);
  out.set_socket_path(options.socket_path);
  out.set_socket_mode(options.socket_mode);
  out.set_enable_core_dump(options.enable_core_dump);
  for (const auto& [name, value] : options.stats_tags) {
    out.add_stats_tag(absl::StrCat(name, ":", value));
  }
  return out;
}

}  // namespace sluice::server
