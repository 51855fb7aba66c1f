#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/config/field_path.h"

namespace sluice::config {

class SourceMap;

/// One mistake in a configuration. The path may be empty (the mistake is in the whole), the line is 1-based in the
/// source text, 0 where there is none or it is unknown.
struct Violation {
  std::string path;
  std::string reason;
  int line = 0;
};

/// All the mistakes found so far. A plain value; one thread at a time.
class Violations {
 public:
  /// What is kept of one configuration; beyond that mistakes are only counted, so that a hostile text cannot fill
  /// the memory with messages.
  static constexpr size_t kMaxKept = 1000;
  /// What a status names; the rest is told as a number, since a status travels in a NACK.
  static constexpr size_t kMaxInStatus = 100;

  void add(std::string path, std::string reason, int line = 0);
  void add(const FieldPath& path, std::string reason, int line = 0) { add(path.toString(), std::move(reason), line); }
  void addAll(const Violations& other);

  bool empty() const { return list_.empty(); }
  /// Counts those that were not kept, too.
  size_t size() const { return list_.size() + not_kept_; }
  const std::vector<Violation>& list() const { return list_; }

  /// Gives each violation that knows no line the line of its path.
  void locate(const SourceMap& source);

  /// Ok if empty, else InvalidArgument: "<subject>: <path>: <reason>; <path>: <reason>".
  absl::Status toStatus(absl::string_view subject) const;

  /// One a line: "line 12: static_resources.listeners[0].address: reason".
  std::string toString() const;

 private:
  std::vector<Violation> list_;
  size_t not_kept_ = 0;
};

}  // namespace sluice::config
