#include "source/server/flags.h"

#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::server {
namespace {

std::variant<Options, PrintAndExit, FlagErrors> parse(std::vector<const char*> arguments) {
  return parseFlags(arguments);
}

std::vector<std::string> errorsOf(std::vector<const char*> arguments) {
  auto result = parse(std::move(arguments));
  const auto* errors = std::get_if<FlagErrors>(&result);
  return errors == nullptr ? std::vector<std::string>() : errors->errors;
}

TEST(FlagsTest, TakesWhatIstioPasses) {
  auto result = parse({"-c", "/etc/boot.json", "--drain-time-s", "45", "--drain-strategy", "immediate",
                       "--local-address-ip-version", "v4", "--file-flush-interval-msec", "1000",
                       "--disable-hot-restart", "--allow-unknown-static-fields", "-l", "warning",
                       "--component-log-level", "misc:error", "--skip-deprecated-logs", "--concurrency", "2"});
  const auto* options = std::get_if<Options>(&result);
  ASSERT_NE(options, nullptr);
  EXPECT_EQ(options->config_path, "/etc/boot.json");
  EXPECT_EQ(options->drain_time, std::chrono::seconds(45));
  EXPECT_EQ(options->drain_strategy, DrainStrategy::Immediate);
  EXPECT_EQ(options->file_flush_interval, std::chrono::milliseconds(1000));
  EXPECT_TRUE(options->allow_unknown_static_fields);
  EXPECT_EQ(options->log_level, base::LogLevel::Warning);
  EXPECT_EQ(options->component_log_level, "misc:error");
  EXPECT_EQ(options->concurrency, 2u);
  EXPECT_EQ(options->without_effect.size(), 4u);
}

TEST(FlagsTest, TakesValuesAfterASpaceOrAnEqualsSign) {
  auto result = parse({"--config-path=a=b.yaml", "--mode=init_only", "--service-node", "--odd"});
  const auto* options = std::get_if<Options>(&result);
  ASSERT_NE(options, nullptr);
  EXPECT_EQ(options->config_path, "a=b.yaml");
  EXPECT_EQ(options->mode, Mode::InitOnly);
  EXPECT_EQ(options->service_node, "--odd");
}

TEST(FlagsTest, TakesTheUsableCpusWithoutConcurrency) {
  auto result = parse({"-c", "x"});
  ASSERT_NE(std::get_if<Options>(&result), nullptr);
  EXPECT_EQ(std::get<Options>(result).concurrency, usableCpus());
  EXPECT_GE(usableCpus(), 1u);
  result = parse({"-c", "x", "--concurrency", "0"});
  EXPECT_EQ(std::get<Options>(result).concurrency, 1u);
}

TEST(FlagsTest, TellsAllMistakesAtOnce) {
  EXPECT_EQ(errorsOf({"--concurency", "3", "--drain-time-s", "soon", "--mode", "run", "extra", "-l"}),
            (std::vector<std::string>{
                "unknown flag '--concurency' (did you mean '--concurrency'?)",
                "--drain-time-s: 'soon' is not a whole number",
                "--mode: unknown mode 'run': it is serve, validate or init_only",
                "unexpected argument 'extra'",
                "--log-level needs a value: <level>",
            }));
}

TEST(FlagsTest, NeedsABootstrap) {
  EXPECT_EQ(errorsOf({}), std::vector<std::string>{"at least one of --config-path and --config-yaml is needed"});
  EXPECT_TRUE(errorsOf({"--config-yaml", "{}"}).empty());
}

TEST(FlagsTest, RefusesOtherEpochsThanZero) {
  EXPECT_TRUE(errorsOf({"-c", "x", "--restart-epoch", "0"}).empty());
  EXPECT_EQ(errorsOf({"-c", "x", "--restart-epoch", "1"}),
            std::vector<std::string>{"--restart-epoch: Sluice has no hot restart, so only epoch 0 can be started"});
}

TEST(FlagsTest, SaysWhyAFlagIsRefused) {
  EXPECT_EQ(errorsOf({"-c", "x", "--enable-mutex-tracing"}),
            std::vector<std::string>{"--enable-mutex-tracing is not supported: workers share no mutex whose contention "
                                     "could be traced"});
}

TEST(FlagsTest, ChecksStatsTags) {
  auto result = parse({"-c", "x", "--stats-tag", "zone:a", "--stats-tag", "pod:b-1"});
  ASSERT_NE(std::get_if<Options>(&result), nullptr);
  EXPECT_EQ(std::get<Options>(result).stats_tags.size(), 2u);
  EXPECT_EQ(errorsOf({"-c", "x", "--stats-tag", "zone"}).size(), 1u);
  EXPECT_EQ(errorsOf({"-c", "x", "--stats-tag", "zone:a.b"}).size(), 1u);
  EXPECT_EQ(errorsOf({"-c", "x", "--stats-tag", "zone:a", "--stats-tag", "zone:b"}).size(), 1u);
}

TEST(FlagsTest, PrintsHelpAndVersion) {
  auto help = parse({"--help"});
  ASSERT_NE(std::get_if<PrintAndExit>(&help), nullptr);
  for (const Flag& flag : allFlags()) {
    EXPECT_NE(std::get<PrintAndExit>(help).text.find(std::string(flag.name)), std::string::npos) << flag.name;
  }
  auto version = parse({"--version"});
  ASSERT_NE(std::get_if<PrintAndExit>(&version), nullptr);
  EXPECT_NE(std::get<PrintAndExit>(version).text.find("version: "), std::string::npos);
}

TEST(FlagsTest, HoldsEveryFlagOfEnvoyOnce) {
  const std::set<std::string> envoys = {"stats-tag",
                                        "enable-core-dump",
                                        "socket-mode",
                                        "socket-path",
                                        "disable-extensions",
                                        "cpuset-threads",
                                        "enable-mutex-tracing",
                                        "disable-hot-restart",
                                        "mode",
                                        "parent-shutdown-time-s",
                                        "drain-strategy",
                                        "drain-time-s",
                                        "file-flush-min-size-kb",
                                        "file-flush-interval-msec",
                                        "service-zone",
                                        "service-node",
                                        "service-cluster",
                                        "hot-restart-version",
                                        "restart-epoch",
                                        "log-path",
                                        "enable-fine-grain-logging",
                                        "log-format-escaped",
                                        "log-format",
                                        "component-log-level",
                                        "log-level",
                                        "local-address-ip-version",
                                        "admin-address-path",
                                        "log-stacktrace-single-entry",
                                        "skip-deprecated-logs",
                                        "ignore-unknown-dynamic-fields",
                                        "reject-unknown-dynamic-fields",
                                        "allow-unknown-static-fields",
                                        "allow-unknown-fields",
                                        "config-yaml",
                                        "config-path",
                                        "concurrency",
                                        "base-id-path",
                                        "skip-hot-restart-parent-stats",
                                        "skip-hot-restart-on-no-parent",
                                        "use-dynamic-base-id",
                                        "base-id",
                                        "version",
                                        "help"};
  std::set<std::string> ours;
  for (const Flag& flag : allFlags()) {
    EXPECT_TRUE(ours.insert(std::string(flag.name)).second) << flag.name << " twice";
    EXPECT_FALSE(flag.help.empty()) << flag.name;
  }
  EXPECT_EQ(ours, envoys);
}

}  // namespace
}  // namespace sluice::server
