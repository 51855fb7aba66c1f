#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/access_log/logger.h"
#include "source/net/stream_info.h"

namespace sluice::access_log {

/** What an operator may look at. Higher layers derive from it what they add (requests, responses). */
struct LogContext {
  const net::StreamInfo& info;
  LogType type = LogType::NotSet;
};

/** Appends the operator's value and returns true, or returns false when there is none ("-"). Any thread. */
using AppendValue = bool (*)(const LogContext& context, const std::string& argument, std::string& out);

enum class Argument : uint8_t { None, Optional, Required };

/** One %OPERATOR% of Envoy's format strings. */
struct Operator {
  absl::string_view name;
  Argument argument;
  /** For docs/access_logs.md; for one that is left out, why. */
  absl::string_view help;
  /** Null for one that Envoy has and Sluice leaves out. */
  AppendValue append;
  /** Checks the argument, and may bring it into the form that `append` wants; null when any will do. */
  absl::Status (*prepare)(std::string& argument) = nullptr;
};

/** Every operator that a format may use. Filled once at start by the layers that know them, then immutable. */
class OperatorTable {
 public:
  /** Begins with the operators that need nothing but the connection (connection_operators.cc). */
  OperatorTable();
  /** A later one of the same name replaces the earlier. */
  void add(const Operator& op);
  const Operator* find(absl::string_view name) const;
  const std::vector<Operator>& all() const { return operators_; }

 private:
  std::vector<Operator> operators_;
};

/** The page docs/access_logs.md, made from the operators: what works and what is left out, with why. */
std::string operatorsPage(const OperatorTable& table);

}  // namespace sluice::access_log
