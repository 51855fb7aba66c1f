#include "source/config/violations.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/config/source_map.h"

namespace sluice::config {
namespace {

void appendViolation(std::string& out, const Violation& violation) {
  if (!violation.path.empty()) {
    absl::StrAppend(&out, violation.path, ": ");
  }
  absl::StrAppend(&out, violation.reason);
}

}  // namespace

void Violations::add(std::string path, std::string reason, int line) {
  if (list_.size() >= kMaxKept) {
    ++not_kept_;
    return;
  }
  list_.push_back({std::move(path), std::move(reason), line});
}

void Violations::addAll(const Violations& other) {
  for (const Violation& violation : other.list_) {
    add(violation.path, violation.reason, violation.line);
  }
  not_kept_ += other.not_kept_;
}

void Violations::locate(const SourceMap& source) {
  for (Violation& violation : list_) {
    if (violation.line == 0) {
      violation.line = source.lineOf(violation.path);
    }
  }
}

absl::Status Violations::toStatus(absl::string_view subject) const {
  if (empty()) {
    return absl::OkStatus();
  }
  std::string message(subject);
  size_t told = 0;
  for (const Violation& violation : list_) {
    if (told == kMaxInStatus) {
      break;
    }
    message.append(told > 0 ? "; " : message.empty() ? "" : ": ");
    appendViolation(message, violation);
    ++told;
  }
  if (size() > told) {
    absl::StrAppend(&message, "; and ", size() - told, " more");
  }
  return absl::InvalidArgumentError(message);
}

std::string Violations::toString() const {
  std::string out;
  for (const Violation& violation : list_) {
    if (violation.line > 0) {
      absl::StrAppend(&out, "line ", violation.line, ": ");
    }
    appendViolation(out, violation);
    out.push_back('\n');
  }
  if (not_kept_ > 0) {
    absl::StrAppend(&out, "and ", not_kept_, " more\n");
  }
  return out;
}

}  // namespace sluice::config
