#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/server/options.h"

namespace sluice::server {

/** What Sluice does with one of Envoy's flags. */
enum class FlagSupport { Works, WithoutEffect, Refused };

/** A row of the one table that holds every flag of Envoy. */
struct Flag {
  absl::string_view name;
  /** 0 when there is none. */
  char letter;
  /** What follows the flag, as --help shows it; empty for a switch. */
  absl::string_view argument;
  FlagSupport support;
  /** What it does; why it has no effect; or why it is refused. */
  absl::string_view help;
  /** Sets the option, or says what is wrong with the value. Null for what is refused. */
  absl::Status (*apply)(Options& options, absl::string_view value);
};

absl::Span<const Flag> allFlags();

/** A run that ends at once with this text on standard output and status 0: --help, --version, --hot-restart-version. */
struct PrintAndExit {
  std::string text;
};

/** All that is wrong with the command line, each with the flag's name. */
struct FlagErrors {
  std::vector<std::string> errors;
};

/** Reads the arguments after the program's name: "--flag value", "--flag=value", "-c value"; "--" ends them. */
std::variant<Options, PrintAndExit, FlagErrors> parseFlags(absl::Span<const char* const> arguments);

/** The CPUs that this process may use: its affinity, and its cgroup's quota where that is lower; at least 1. */
uint32_t usableCpus();

}  // namespace sluice::server
