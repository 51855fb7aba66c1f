#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/access_log/logger.h"

namespace sluice::access_log {

class OperatorTable;

/** An operator's argument in the form that its `append` wants: `prepare` fills it, on main, from `text` as written. */
struct PreparedArgument {
  std::string text;
  std::vector<std::string> parts;
  uint32_t numbers[3] = {};
  /** The operator's own; it knows the type. */
  std::shared_ptr<const void> data;
};

/**
 * Appends the operator's value and returns true, or returns false when there is none ("-"); what it appended then is taken
 * back. Any thread; allocates nothing beyond what `out` grows by.
 */
using AppendValue = bool (*)(const LogContext& context, const PreparedArgument& argument, std::string& out);

enum class Argument : uint8_t { None, Optional, Required };

/** One %OPERATOR% of Envoy's format strings. */
struct Operator {
  absl::string_view name;
  Argument argument;
  /** For docs/access_logs.md; for one that is left out, why. */
  absl::string_view help;
  /** The value as text. Null for one that Envoy has and Sluice leaves out. */
  AppendValue append;
  /** Checks the argument and brings it into the form that `append` wants; null when it takes `text` as it is. */
  absl::Status (*prepare)(PreparedArgument& argument, const OperatorTable& table) = nullptr;
  /** The value as JSON, where that is not the text between quotes: numbers, objects. No value is null. */
  AppendValue append_json = nullptr;
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

/** The operators that Envoy has and Sluice leaves out, each with the reason (left_out_operators.cc). */
void addLeftOutOperators(OperatorTable& table);

/** %COALESCE(...)%: the first of several operators that has a value. */
const Operator& coalesceOperator();

/** A UUID for a stream without an id of its own: the same for all its lines, another in every process. */
void appendStreamUuid(const net::StreamInfo& info, std::string& out);

/** The page docs/access_logs.md, made from the operators: what works and what is left out, with why. */
std::string operatorsPage(const OperatorTable& table);

}  // namespace sluice::access_log
